"""Reads what the schedule names, and brings it to arrays with one numbering of assets."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from eagle_contract.api import Resolved, TrainingScheduleSpec
from eagle_contract.api.source import EventTable
from eagle_trainer.context import LOOKBACK_SECONDS
from eagle_trainer.errors import InsufficientData, InvalidConfiguration
from eagle_trainer.series import Attributes, Events, Extracted, Floats, Integers, Telemetry
from eagle_trainer.sources.arrow_rows import is_number
from eagle_trainer.sources.request import Request, Rows, Source

THE_ASSET = "asset"
"""The name of the only asset where the schedule names no asset column."""


NO_KIND = "none"
"""The kind of events whose kind column is empty."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """The moments since <= t < until that are read."""

    since: datetime
    until: datetime


def extract(source: Source, spec: TrainingScheduleSpec, resolved: Resolved, *, now: datetime) -> Extracted:
    """Everything the schedule names. Raises InvalidConfiguration, SourceUnavailable or InsufficientData."""
    span = Range(since=now - timedelta(days=resolved.data_range_days), until=now)
    telemetry = _telemetry(source, spec, resolved, span)
    failures = _failures(source, spec, telemetry.assets, span)
    return Extracted(
        telemetry=telemetry,
        events=tuple(_events(source, table, telemetry.assets, span) for table in spec.source.events or []),
        attributes=_attributes(source, spec, telemetry.assets),
        failure_asset=failures[0] if failures else None,
        failure_time=failures[1] if failures else None,
    )


def _telemetry(source: Source, spec: TrainingScheduleSpec, resolved: Resolved, span: Range) -> Telemetry:
    table = spec.source.telemetry
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
    until = span.until - timedelta(seconds=table.latency_seconds or 0)
    label = spec.label.column
    if table.layout == "Long":
        rows = _long(source, spec, columns, Range(since=span.since, until=until))
    else:
        rows = source.read(
            Request(
                field="source.telemetry",
                table=table.table,
                query=table.query,
                time=table.time_column,
                asset=table.asset_column,
                numbers=columns + ((label,) if label and label not in columns else ()),
                since=span.since,
                until=until,
            )
        )
    if not rows.count:
        raise InsufficientData(
            f"source.telemetry has no row between {span.since:%Y-%m-%d} and {until:%Y-%m-%d};"
            " check timeColumn and dataRangeDays"
        )
    assets, asset = _coded(rows, None)
    return Telemetry(
        assets=assets,
        sensors=resolved.sensors,
        asset=asset,
        time=_times(rows),
        values=np.column_stack([rows.numbers[column] for column in columns]),
        label=rows.numbers[label] if label else None,
    )


def _long(source: Source, spec: TrainingScheduleSpec, columns: tuple[str, ...], span: Range) -> Rows:
    """Rows of (time, tag, value) brought to a column per tag; of equal (time, tag) the last given counts."""
    table = spec.source.telemetry
    tag, value = str(table.tag_column), str(table.value_column)
    wanted = columns + ((spec.label.column,) if spec.label.column else ())
    long = source.read(
        Request(
            field="source.telemetry",
            table=table.table,
            query=table.query,
            time=table.time_column,
            asset=table.asset_column,
            numbers=(value,),
            others=(tag,),
            since=span.since,
            until=span.until,
            only=(tag, wanted),
        )
    )
    assets, asset = _coded(long, None) if long.count else ((THE_ASSET,), np.zeros(0, np.int64))
    keys, place = np.unique(np.stack([asset, _times(long)]), axis=1, return_inverse=True)
    tags = long.others[tag].cast(pa.string())
    numbers: dict[str, Floats] = {}
    for name in wanted:
        mine = np.asarray(pc.equal(tags, name).to_numpy(zero_copy_only=False), bool)
        column = np.full(keys.shape[1], np.nan)
        column[place.reshape(-1)[mine]] = long.numbers[value][mine]
        numbers[name] = column
    return Rows(
        count=keys.shape[1],
        time=keys[1],
        asset=pa.array([assets[code] for code in keys[0]], pa.string()),
        numbers=numbers,
    )


def _events(source: Source, table: EventTable, assets: tuple[str, ...], span: Range) -> Events:
    rows = source.read(
        Request(
            field=f"source.events[{table.name}]",
            table=table.table,
            query=table.query,
            time=table.time_column,
            asset=table.asset_column,
            others=(table.kind_column,) if table.kind_column else (),
            since=span.since - timedelta(seconds=LOOKBACK_SECONDS),
            until=span.until,
        )
    )
    _, asset = _coded(rows, assets)
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
    source: Source, spec: TrainingScheduleSpec, assets: tuple[str, ...], span: Range
) -> tuple[Integers, Integers] | None:
    """Asset and time of every failure, unique and sorted."""
    table = spec.label.failures
    if table is None:
        return None
    rows = source.read(
        Request(
            field="label.failures",
            table=table.table,
            query=table.query,
            time=table.time_column,
            asset=table.asset_column,
            since=span.since,
            until=span.until,
        )
    )
    _, asset = _coded(rows, assets)
    pairs = np.stack([asset, _times(rows)])[:, asset >= 0]
    unique = np.unique(pairs, axis=1)
    return unique[0], unique[1]


def _attributes(source: Source, spec: TrainingScheduleSpec, assets: tuple[str, ...]) -> Attributes | None:
    table = spec.source.attributes
    if table is None:
        return None
    columns = tuple(table.columns)
    rows = source.read(Request(field="source.attributes", table=table.table, asset=table.asset_column, others=columns))
    _, asset = _coded(rows, assets)
    values = np.full((len(assets), len(columns)), np.nan)
    categories: dict[str, tuple[str, ...]] = {}
    for position, name in enumerate(columns):
        array = rows.others[name]
        if is_number(array.type):
            column = np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
        else:
            categories[name], codes = _codes(array)
            column = np.where(codes < 0, np.nan, codes.astype(float))
        known = asset >= 0
        values[asset[known], position] = column[known]
    return Attributes(columns=columns, values=values, categories=categories)


def _coded(rows: Rows, assets: tuple[str, ...] | None) -> tuple[tuple[str, ...], Integers]:
    """The assets' names and each row's position among them; -1 for an asset that is not among the given ones."""
    if rows.asset is None:
        return assets or (THE_ASSET,), np.zeros(rows.count, np.int64)
    names = assets or tuple(sorted(str(name) for name in pc.unique(rows.asset).to_pylist() if name is not None))
    found = pc.index_in(rows.asset, pa.array(names, pa.string()))
    return names, np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int64)


def _kinds(rows: Rows, column: str | None) -> tuple[tuple[str, ...], Integers]:
    if column is None:
        return ("",), np.zeros(rows.count, np.int64)
    return _codes(pc.fill_null(rows.others[column].cast(pa.string()), NO_KIND))


def _codes(array: pa.Array) -> tuple[tuple[str, ...], Integers]:
    text = array.cast(pa.string())
    names = tuple(sorted(str(name) for name in pc.unique(text).to_pylist() if name is not None))
    found = pc.index_in(text, pa.array(names, pa.string()))
    return names, np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int64)


def _times(rows: Rows) -> Integers:
    return rows.time if rows.time is not None else np.zeros(0, np.int64)
