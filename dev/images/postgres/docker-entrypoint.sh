#!/bin/sh
# Makes the database on the first start, as the official image does: POSTGRES_PASSWORD,
# POSTGRES_USER, POSTGRES_DB, and then *.sql and *.sh of /docker-entrypoint-initdb.d.
set -eu

make_database() {
    : "${POSTGRES_PASSWORD:?must be set for the first start}"
    user=${POSTGRES_USER:-postgres}
    database=${POSTGRES_DB:-$user}
    # A volume may belong to another user than this one, who may only write to it.
    mkdir -p "$PGDATA"
    chmod 0700 "$PGDATA"
    secret=$(mktemp)
    printf '%s\n' "$POSTGRES_PASSWORD" > "$secret"
    # Made aside and renamed: a first start that is cut off leaves nothing that looks finished.
    fresh="$PGDATA/.fresh"
    rm -rf "$fresh"
    initdb --pgdata="$fresh" --username="$user" --pwfile="$secret" \
        --encoding=UTF8 --locale=C.UTF-8 --auth-local=trust --auth-host=scram-sha-256
    rm -f "$secret"
    echo 'host all all all scram-sha-256' >> "$fresh/pg_hba.conf"
    printf "listen_addresses = '*'\njit = off\nunix_socket_directories = '/tmp'\n" \
        >> "$fresh/postgresql.conf"

    # Only on the socket: nobody is to meet a database that is half made.
    pg_ctl --pgdata="$fresh" --options="-c listen_addresses=''" --wait start
    export PGHOST=/tmp PGUSER="$user" PGDATABASE="$database"
    if [ "$database" != postgres ]; then
        psql --no-psqlrc --set=ON_ERROR_STOP=1 --dbname=postgres --set=name="$database" <<'SQL'
CREATE DATABASE :"name";
SQL
    fi
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
            *.sql) psql --no-psqlrc --set=ON_ERROR_STOP=1 --file="$file" ;;
            *.sh) sh -eu "$file" ;;
        esac
    done
    unset PGHOST PGUSER PGDATABASE
    pg_ctl --pgdata="$fresh" --mode=fast --wait stop
    # PG_VERSION is what tells a finished database, so it is moved last.
    find "$fresh" -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv -t "$PGDATA" {} +
    mv "$fresh/PG_VERSION" "$PGDATA/"
    rmdir "$fresh"
}

case "${1:-postgres}" in
    -*) set -- postgres "$@" ;;
esac
if [ "${1:-postgres}" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    make_database
fi
exec "$@"
