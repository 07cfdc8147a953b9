#!/bin/sh
# Makes the database on the first start, as the official image does: POSTGRES_PASSWORD,
# POSTGRES_USER, POSTGRES_DB, and then *.sql and *.sh of /docker-entrypoint-initdb.d.
# PGDATA is a folder inside of the volume: the volume itself belongs to root, and PostgreSQL
# wants a folder of its own.
set -eu

# In a subshell: what it sets for its clients is not the server's.
make_database() (
    : "${POSTGRES_PASSWORD:?must be set for the first start}"
    user=${POSTGRES_USER:-postgres}
    database=${POSTGRES_DB:-$user}
    secret=$(mktemp)
    printf '%s\n' "$POSTGRES_PASSWORD" > "$secret"
    # Made aside and renamed: a first start that is cut off leaves nothing that looks finished.
    fresh="$PGDATA.fresh"
    rm -rf "$fresh"
    initdb --pgdata="$fresh" --username="$user" --pwfile="$secret" \
        --encoding=UTF8 --locale=C.UTF-8 --auth-local=trust --auth-host=scram-sha-256
    rm -f "$secret"
    echo 'host all all all scram-sha-256' >> "$fresh/pg_hba.conf"
    printf "listen_addresses = '*'\njit = off\nunix_socket_directories = '/tmp'\n" \
        >> "$fresh/postgresql.conf"

    # On a socket that nobody looks for: a probe is not to meet a database that is half made.
    pg_ctl --pgdata="$fresh" --wait start \
        --options="-c listen_addresses='' -c unix_socket_directories='$fresh'"
    export PGHOST="$fresh" PGUSER="$user" PGDATABASE="$database"
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
    pg_ctl --pgdata="$fresh" --mode=fast --wait stop
    mv "$fresh" "$PGDATA"
)

case "${1:-postgres}" in
    -*) set -- postgres "$@" ;;
esac
if [ "${1:-postgres}" = postgres ] && [ ! -e "$PGDATA" ]; then
    make_database
fi
exec "$@"
