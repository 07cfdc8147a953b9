"""Where an organization's data lies and what is to be predicted from it."""

from typing import Annotated, Literal

from pydantic import Field

from eagle_contract.api.types import (
    ApiModel,
    Column,
    Identifier,
    Name,
    Query,
    Seconds,
    Table,
    TimeZone,
    keyed,
    rule,
    rules,
    unordered,
)

TimeUnit = Annotated[
    Literal["Seconds", "Milliseconds", "Microseconds", "Nanoseconds"],
    Field(description="The time column counts these since 1970 (UTC); absent: it has time stamps."),
]

_TABLE_OR_QUERY = rule("has(self.table) != has(self.query)", "must have exactly one of table and query")


class Connection(ApiModel):
    """The Secret with the database's address, in the namespace of the schedule."""

    secret_name: Annotated[
        Name,
        Field(
            description="Secret with the key `uri`: postgresql://user:password@host/db. Its key `ca.crt`, if there, is"
            " the authority (PEM) that the database's certificate must be of."
        ),
    ]


class Telemetry(ApiModel):
    """The measurements: a row per time stamp (Wide) or a row per measurement (Long)."""

    model_config = {
        "json_schema_extra": rules(
            _TABLE_OR_QUERY,
            rule(
                "(self.layout == 'Long') == (has(self.tagColumn) && has(self.valueColumn))"
                " && (self.layout == 'Long' || !(has(self.tagColumn) || has(self.valueColumn)))",
                "must have tagColumn and valueColumn with layout Long, and neither with layout Wide",
            ),
        )
    }

    table: Table | None = None
    query: Annotated[Query | None, Field(description="One SELECT; it runs in a read-only transaction.")] = None
    layout: Annotated[
        Literal["Wide", "Long"], Field(description="Wide: a column per sensor. Long: a row per measurement.")
    ]
    time_column: Column
    time_unit: TimeUnit | None = None
    asset_column: Annotated[Column | None, Field(description="Absent: all rows belong to one asset.")] = None
    tag_column: Annotated[Column | None, Field(description="Layout Long: the sensor's name.")] = None
    value_column: Annotated[Column | None, Field(description="Layout Long: the measured value.")] = None
    sample_period_seconds: Annotated[int, Field(ge=1, le=86_400, description="The grid that rows are brought to.")]
    latency_seconds: Annotated[
        Seconds | None, Field(description="How late rows arrive; younger rows are not yet complete and are left out.")
    ] = None


class EventTable(ApiModel):
    """Things that happened to an asset: errors, maintenance."""

    model_config = {"json_schema_extra": rules(_TABLE_OR_QUERY)}

    name: Identifier
    table: Table | None = None
    query: Query | None = None
    time_column: Column
    time_unit: TimeUnit | None = None
    asset_column: Column | None = None
    kind_column: Annotated[Column | None, Field(description="Counted per kind; absent: all are of one kind.")] = None
    latency_seconds: Annotated[Seconds | None, Field(description="How late rows are entered.")] = None


class AttributeTable(ApiModel):
    """What an asset is: model, age. One row per asset."""

    model_config = {"json_schema_extra": rules(_TABLE_OR_QUERY)}

    table: Table | None = None
    query: Query | None = None
    asset_column: Column
    columns: Annotated[list[Column], Field(min_length=1, max_length=32, json_schema_extra=unordered())]


class Source(ApiModel):
    """The organization's own database."""

    model_config = {
        "json_schema_extra": rules(
            rule(
                "!has(self.columnMapping) || self.columnMapping.all(c, c in self.continuousColumns)",
                "must map only columns that are named in continuousColumns",
                fieldPath=".columnMapping",
            )
        )
    }

    connection: Connection
    data_range_days: Annotated[int | None, Field(ge=1, le=3650, description="Built-in default 180.")] = None
    time_zone: Annotated[
        TimeZone | None,
        Field(description="Where time stamps without a zone were written, as Europe/Berlin. Built-in default Etc/UTC."),
    ] = None
    telemetry: Telemetry
    continuous_columns: Annotated[
        list[Column],
        Field(min_length=1, max_length=64, json_schema_extra=unordered(), description="The sensors, or their tags."),
    ]
    column_mapping: Annotated[
        dict[str, Identifier] | None,
        Field(max_length=64, description="Column to sensor name; a column that is not mapped keeps its own name."),
    ] = None
    events: Annotated[list[EventTable] | None, Field(max_length=8, json_schema_extra=keyed("name"))] = None
    attributes: AttributeTable | None = None


class Failures(ApiModel):
    """The table of failures, one row per failure."""

    model_config = {
        "json_schema_extra": rules(
            _TABLE_OR_QUERY, rule("!has(self.kinds) || has(self.kindColumn)", "must have kindColumn with kinds")
        )
    }

    table: Table | None = None
    query: Query | None = None
    time_column: Column
    time_unit: TimeUnit | None = None
    asset_column: Column | None = None
    kind_column: Annotated[
        Column | None, Field(description="Failures of one asset at one time are one event, whatever their kinds.")
    ] = None
    kinds: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=128)]] | None,
        Field(
            min_length=1,
            max_length=16,
            json_schema_extra=unordered(),
            description="The kinds that count as failures, as kindColumn spells them; absent: all.",
        ),
    ] = None
    latency_seconds: Annotated[
        Seconds | None, Field(description="How late failures are entered; until then nothing counts as without one.")
    ] = None


class Label(ApiModel):
    """What is to be predicted."""

    model_config = {
        "json_schema_extra": rules(
            rule("has(self.column) != has(self.failures)", "must have exactly one of column and failures"),
            rule(
                "has(self.failures) == has(self.horizonSeconds)",
                "must have horizonSeconds with failures, and not with column",
            ),
            rule(
                "!has(self.recoverySeconds) || has(self.failures)",
                "must not have recoverySeconds with column",
            ),
        )
    }

    column: Annotated[Column | None, Field(description="A telemetry column that is already 0 or 1.")] = None
    failures: Failures | None = None
    horizon_seconds: Annotated[
        int | None, Field(ge=1, le=31_536_000, description="Positive: a failure begins within this time.")
    ] = None
    recovery_seconds: Annotated[Seconds | None, Field(description="How long after a failure samples are left out.")] = (
        None
    )


class Features(ApiModel):
    """What the model sees of the past."""

    include: Annotated[
        list[Identifier] | None,
        Field(max_length=64, json_schema_extra=unordered(), description="Sensors to use; absent: all."),
    ] = None
    lag_seconds: Annotated[
        list[Annotated[int, Field(ge=1, le=2_592_000)]] | None,
        Field(max_length=16, json_schema_extra=unordered(), description="Multiples of samplePeriodSeconds."),
    ] = None
    rolling_windows: Annotated[
        list[Annotated[int, Field(ge=2, le=10_080)]] | None,
        Field(max_length=8, json_schema_extra=unordered(), description="In samples: mean, std, min, max of each."),
    ] = None
    missing: Annotated[
        Literal["Propagate", "Skip"] | None,
        Field(description="A missing sample makes its windows' statistics missing (Propagate) or is left out (Skip)."),
    ] = None
