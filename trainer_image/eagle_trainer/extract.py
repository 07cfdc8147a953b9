"""Reads what the schedule names, and brings it to arrays with one numbering of assets."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from eagle_contract.api import Resolved, TrainingScheduleSpec
from eagle_contract.api.source import AttributeTable, EventTable, Failures
from eagle_contract.api.source import Telemetry as TelemetryTable
from eagle_trainer.context import LOOKBACK_SECONDS
from eagle_trainer.errors import InsufficientData, InvalidConfiguration
from eagle_trainer.pivot import pivot
from eagle_trainer.series import Attributes, Events, Extracted, Integers, Strangers, Telemetry, micros
from eagle_trainer.sources.arrow_rows import is_number
from eagle_trainer.sources.request import UTC_NAME, Coded, Request, Rows, Source

THE_ASSET = "asset"
"""The name of the only asset where the schedule names no asset column."""


NO_KIND = "none"
"""The kind of events whose kind column is empty."""

_NAMES_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """What all tables are read with: rows since <= t < until, zoneless time stamps of `zone`."""

    source: Source
    since: datetime
    until: datetime
    zone: str

    def read(
        self, field: str, table: EventTable | Failures, *, text: str | None, only: tuple[str, ...] = (), days: int = 0
    ) -> Rows:
        """Things that happened, from `days` before the range on."""
        return self.source.read(
            Request(
                field=field,
                table=table.table,
                query=table.query,
                time=table.time_column,
                unit=table.time_unit,
                zone=self.zone,
                asset=table.asset_column,
                texts=(text,) if text else (),
                since=self.since - timedelta(days=days),
                until=self.until,
                only=(text, only) if text and only else None,
            )
        )


@dataclass(frozen=True)
class _Known:
    """The assets of the telemetry, and whether it names them in a column."""

    assets: tuple[str, ...]
    named: bool

    def positions(self, rows: Rows, field: str, column: str | None) -> tuple[Integers, Strangers]:
        """Each row's position among the assets, -1 for one that is not among them; and those. Raises
        InvalidConfiguration where only one of the two tables has an asset column."""
        if (column is None) == self.named and (column is not None or len(self.assets) > 1):
            lacking, having = (field, "source.telemetry") if column is None else ("source.telemetry", field)
            raise InvalidConfiguration(
                f"{lacking}.assetColumn must be given, since {having} has one:"
                " otherwise nobody knows which row belongs to which asset"
            )
        place = f"{field}.assetColumn {column!r}"
        if rows.asset is None:
            return np.zeros(rows.count, np.int64), Strangers(place=place, count=0, rows=rows.count, names=())
        index = {name: position for position, name in enumerate(self.assets)}
        codes = np.array([*(index.get(name, -1) for name in rows.asset.names), -1], np.int64)
        asset = codes[rows.asset.codes]
        names = tuple(name for name in rows.asset.names if name not in index)
        count = int(np.count_nonzero(asset < 0))
        return asset, Strangers(place=place, count=count, rows=rows.count, names=names[:_NAMES_SHOWN])


def extract(source: Source, spec: TrainingScheduleSpec, resolved: Resolved, *, now: datetime) -> Extracted:
    """Everything the schedule names; the source is closed then.

    Raises InvalidConfiguration, SourceUnavailable or InsufficientData.
    """
    try:
        return _extracted(source, spec, resolved, now)
    finally:
        source.close()


def newest_request(spec: TrainingScheduleSpec) -> Request:
    """The request for the time stamps of the telemetry alone, of all time."""
    table = spec.source.telemetry
    return _telemetry_request(table, spec.source.time_zone or UTC_NAME)


def _extracted(source: Source, spec: TrainingScheduleSpec, resolved: Resolved, now: datetime) -> Extracted:
    since = now - timedelta(days=resolved.data_range_days)
    reading = _Reading(source=source, since=since, until=now, zone=spec.source.time_zone or UTC_NAME)
    telemetry = _telemetry(reading, spec, resolved)
    known = _Known(telemetry.assets, spec.source.telemetry.asset_column is not None)
    strangers: list[Strangers] = []
    failures = _failures(reading, spec.label.failures, known, strangers) if spec.label.failures else None
    latency = timedelta(seconds=spec.label.failures.latency_seconds or 0) if spec.label.failures else timedelta()
    return Extracted(
        telemetry=telemetry,
        events=tuple(_events(reading, table, known, strangers) for table in spec.source.events or []),
        attributes=_attributes(source, spec.source.attributes, known, strangers) if spec.source.attributes else None,
        failure_asset=failures[0] if failures else None,
        failure_time=failures[1] if failures else None,
        failures_known_until=micros(now - latency) if failures else None,
        strangers=tuple(strangers),
    )


def _telemetry(reading: _Reading, spec: TrainingScheduleSpec, resolved: Resolved) -> Telemetry:
    table, label = spec.source.telemetry, spec.label.column
    columns = _columns(spec, resolved)
    until = reading.until - timedelta(seconds=table.latency_seconds or 0)
    wanted = (*columns, label) if label else columns
    long = table.layout == "Long"
    request = _telemetry_request(
        table,
        reading.zone,
        numbers=(str(table.value_column),) if long else columns,
        label=None if long else label,
        texts=(str(table.tag_column),) if long else (),
        only=(str(table.tag_column), wanted) if long else None,
        since=reading.since,
        until=until,
    )
    rows = reading.source.read(request)
    if not rows.count:
        fields = ", ".join(
            ["timeColumn", *["timeUnit"] * (table.time_unit is not None), *["continuousColumns (the tags)"] * long]
        )
        raise InsufficientData(
            f"source.telemetry has no row between {reading.since:%Y-%m-%d} and {until:%Y-%m-%d};"
            f" check {fields} and dataRangeDays"
        )
    assets = rows.asset or Coded(names=(THE_ASSET,), codes=np.zeros(rows.count, np.int32))
    if long:
        found = pivot(rows, assets.codes, rows.texts[str(table.tag_column)], columns, label)
        return found.telemetry(assets.names, resolved.sensors, rows.timeless)
    assert rows.time is not None  # The request names a time column.
    return Telemetry(
        assets=assets.names,
        sensors=resolved.sensors,
        asset=assets.codes.astype(np.int64),
        time=rows.time,
        values=rows.numbers,
        label=rows.label,
        timeless=rows.timeless,
    )


def _telemetry_request(
    table: TelemetryTable,
    zone: str,
    *,
    numbers: tuple[str, ...] = (),
    label: str | None = None,
    texts: tuple[str, ...] = (),
    only: tuple[str, tuple[str, ...]] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Request:
    return Request(
        field="source.telemetry",
        table=table.table,
        query=table.query,
        time=table.time_column,
        unit=table.time_unit,
        zone=zone,
        asset=table.asset_column if since else None,
        numbers=numbers,
        label=label,
        texts=texts,
        only=only,
        since=since,
        until=until,
    )


def _columns(spec: TrainingScheduleSpec, resolved: Resolved) -> tuple[str, ...]:
    """The columns (or tags) of the sensors, in the sensors' order."""
    mapping = spec.source.column_mapping or {}
    measured = {mapping.get(column, column): column for column in spec.source.continuous_columns}
    if len(measured) < len(spec.source.continuous_columns):
        raise InvalidConfiguration("source.columnMapping must give every column a sensor name of its own")
    unknown = [sensor for sensor in resolved.sensors if sensor not in measured]
    if unknown:
        raise InvalidConfiguration(
            f"features.include names {unknown[0]!r}, which is none of the sensors: {', '.join(sorted(measured))}"
        )
    columns = tuple(measured[sensor] for sensor in resolved.sensors)
    if spec.label.column in columns:
        raise InvalidConfiguration(
            f"label.column {spec.label.column!r} must not be a sensor as well: the model would see its own answer;"
            " take it out of source.continuousColumns"
        )
    return columns


def _events(reading: _Reading, table: EventTable, known: _Known, strangers: list[Strangers]) -> Events:
    field = f"source.events[{table.name}]"
    rows = reading.read(field, table, text=table.kind_column, days=LOOKBACK_SECONDS // 86_400)
    asset, strange = known.positions(rows, field, table.asset_column)
    strangers.append(strange)
    kinds, kind = _kinds(rows, table.kind_column)
    time = _times(rows)
    order = np.lexsort((kind, time, asset))
    order = order[asset[order] >= 0]
    return Events(
        name=table.name,
        kinds=kinds,
        asset=asset[order],
        time=time[order],
        kind=kind[order],
        latency_seconds=table.latency_seconds or 0,
    )


def _failures(
    reading: _Reading, table: Failures, known: _Known, strangers: list[Strangers]
) -> tuple[Integers, Integers]:
    """Asset and time of every failure that counts, unique and sorted."""
    kinds = tuple(table.kinds or ())
    rows = reading.read("label.failures", table, text=table.kind_column, only=kinds)
    if kinds and not rows.count:
        found = reading.read("label.failures", table, text=table.kind_column).texts[str(table.kind_column)].names
        if found:
            raise InvalidConfiguration(
                f"label.failures.kinds has none of the kinds in column {table.kind_column!r}: {', '.join(found[:16])}"
            )
    asset, strange = known.positions(rows, "label.failures", table.asset_column)
    strangers.append(strange)
    pairs = np.stack([asset, _times(rows)])[:, asset >= 0]
    unique = np.unique(pairs, axis=1)
    return unique[0], unique[1]


def _attributes(source: Source, table: AttributeTable, known: _Known, strangers: list[Strangers]) -> Attributes:
    columns, field = tuple(table.columns), "source.attributes"
    rows = source.read(
        Request(field=field, table=table.table, query=table.query, asset=table.asset_column, others=columns)
    )
    asset, strange = known.positions(rows, field, table.asset_column)
    strangers.append(strange)
    values = np.full((len(known.assets), len(columns)), np.nan)
    categories: dict[str, tuple[str, ...]] = {}
    ours = asset >= 0
    for position, name in enumerate(columns):
        array = rows.others[name]
        if is_number(array.type):
            column = np.asarray(array.to_numpy(zero_copy_only=False), np.float64)
        else:
            categories[name], codes = _codes(array)
            column = np.where(codes < 0, np.nan, codes.astype(float))
        values[asset[ours], position] = column[ours]
    return Attributes(columns=columns, values=values, categories=categories)


def _kinds(rows: Rows, column: str | None) -> tuple[tuple[str, ...], Integers]:
    """The kinds that occur, sorted, and each row's position among them."""
    if column is None:
        return ("",), np.zeros(rows.count, np.int64)
    coded = rows.texts[column]
    kinds = tuple(sorted({*coded.names, *((NO_KIND,) if (coded.codes < 0).any() else ())}))
    place = {name: position for position, name in enumerate(kinds)}
    codes = np.array([*(place[name] for name in coded.names), place.get(NO_KIND, -1)], np.int64)
    return kinds, codes[coded.codes]


def _codes(array: pa.Array) -> tuple[tuple[str, ...], Integers]:
    names = tuple(sorted(str(name) for name in pc.unique(array).to_pylist() if name is not None))
    found = pc.index_in(array, pa.array(names, pa.string()))
    return names, np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int64)


def _times(rows: Rows) -> Integers:
    return rows.time if rows.time is not None else np.zeros(0, np.int64)
