"""What a SCADA gateway asks a model: the newest samples of an asset, and what happened to the asset lately.

The model's own description (GET /v2/models/NAME) names the sensors, the number of samples, and how each column
of the context is computed; the schedule says where it all comes from. Here they come from the example data.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from eagledemo.dataset import TIME, Table
from eagledemo.kube import Object

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Moment:
    """An asset (None: there is only one) at a time of the example data, and what a person should know about it."""

    asset: Any
    time: datetime
    meaning: str


def question(description: Object, schedule: Object, tables: Sequence[Table], moment: Moment) -> Object:
    """Return the body of an Open Inference request about one moment."""
    source = schedule["spec"]["source"]
    content = {table.name: table.content for table in tables}
    parameters = description["parameters"]
    window = _window(source, content, parameters["sensors"], parameters["windowLength"], moment)
    inputs = [_tensor("window", [1, len(window), len(window[0])], [value for row in window for value in row])]
    columns = parameters.get("contextDefinitions") or []
    if columns:
        values = [_context(source, content, column, moment) for column in columns]
        inputs.append(_tensor("context", [1, len(columns)], values))
    return {"inputs": inputs}


def body(request: Object) -> str:
    """Return a request as JSON: a value that is missing is null."""
    return json.dumps(request)


def _tensor(name: str, shape: list[int], data: list[float]) -> Object:
    clean = [None if math.isnan(value) else value for value in data]
    return {"name": name, "shape": shape, "datatype": "FP64", "data": clean}


def _window(
    source: Object, content: dict[str, pa.Table], sensors: list[str], length: int, moment: Moment
) -> list[list[float]]:
    """The newest samples up to the moment, oldest first: `length` rows, a column per sensor."""
    telemetry = source["telemetry"]
    rows = content[_table_name(telemetry)]
    chosen = pc.less_equal(rows[telemetry["timeColumn"]], pa.scalar(moment.time))
    if telemetry.get("assetColumn"):
        chosen = pc.and_(chosen, pc.equal(rows[telemetry["assetColumn"]], moment.asset))
    newest = rows.filter(chosen).sort_by(telemetry["timeColumn"]).to_pylist()[-length:]
    columns = {name: column for column, name in source.get("columnMapping", {}).items()}
    return [[float(row[columns.get(sensor, sensor)]) for sensor in sensors] for row in newest]


def _context(source: Object, content: dict[str, pa.Table], column: Object, moment: Moment) -> float:
    """One column of the context, as the model's description defines it."""
    if column["statistic"] == "attribute":
        return _attribute(source["attributes"], content, column, moment)
    event = next(event for event in source["events"] if event["name"] == column["source"])
    known = moment.time - timedelta(seconds=column["latencySeconds"])
    opening = moment.time - timedelta(seconds=column["windowSeconds"])
    times = [time for time in _event_times(event, content, column.get("kind"), moment) if opening < time <= known]
    if column["statistic"] == "count":
        return float(len(times))
    return (moment.time - max(times)) / _HOUR if times else math.nan


def _event_times(event: Object, content: dict[str, pa.Table], kind: str | None, moment: Moment) -> list[datetime]:
    """When the asset had such an event."""
    return [
        row[event["timeColumn"]]
        for row in content[_table_name(event)].to_pylist()
        if row[event["assetColumn"]] == moment.asset and (not kind or str(row[event["kindColumn"]]) == kind)
    ]


def _attribute(attributes: Object, content: dict[str, pa.Table], column: Object, moment: Moment) -> float:
    """A number as it is; text as its place among the categories."""
    rows = content[_table_name(attributes)].to_pylist()
    value = next(row[column["source"]] for row in rows if row[attributes["assetColumn"]] == moment.asset)
    categories = column.get("categories")
    if categories is None:
        return float(value)
    return float(categories.index(value)) if value in categories else math.nan


def _table_name(place: Object) -> str:
    return str(place["table"]).removeprefix("public.")


def before_last_failure(tables: Sequence[Table], lead: timedelta) -> Moment:
    """Return the machine that failed last, `lead` before it did."""
    rows = _rows(tables, "failures")
    last = max(rows, key=lambda row: (row[TIME], row["machine_id"]))
    meaning = f"machine {last['machine_id']}, {lead // _HOUR} hours before it failed"
    return Moment(last["machine_id"], last[TIME] - lead, meaning)


def far_from_failure(tables: Sequence[Table], moment: Moment, distance: timedelta) -> Moment:
    """Return a machine at the same hour that has no failure within `distance`, before or after."""
    near = {row["machine_id"] for row in _rows(tables, "failures") if abs(row[TIME] - moment.time) < distance}
    machines = sorted({row["machine_id"] for row in _rows(tables, "machines")} - near)
    return Moment(machines[0], moment.time, f"machine {machines[0]}, no failure for {distance.days} days around")


def end_of_last_run(tables: Sequence[Table], label: str, value: int, meaning: str) -> Moment:
    """Return the newest sample of which the label has that value."""
    rows = next(table.content for table in tables if table.name == "telemetry")
    newest = pc.max(rows.filter(pc.equal(rows[label], value))[TIME]).as_py()
    return Moment(None, newest, meaning)


def _rows(tables: Sequence[Table], name: str) -> list[dict[str, Any]]:
    found = next(table.content for table in tables if table.name == name)
    return list(found.to_pylist())
