"""Context that is computed when it is asked for is the context that would be kept."""

import numpy as np

from eagle_trainer.context import context_columns, context_values
from eagle_trainer.context_rows import ContextRows
from eagle_trainer.series import SECOND, Attributes, Events, Extracted, Telemetry

HOUR = 3600 * SECOND


def extracted() -> Extracted:
    telemetry = Telemetry(
        assets=("a", "b", "c"),
        sensors=("s",),
        asset=np.zeros(1, np.int64),
        time=np.zeros(1, np.int64),
        values=np.zeros((1, 1)),
    )
    events = Events(
        name="error",
        kinds=("cold", "hot"),
        asset=np.array([0, 0, 0, 2]),
        time=np.array([5, 30, 90, 40]) * HOUR,
        kind=np.array([0, 1, 1, 0]),
        latency_seconds=3600,
    )
    attributes = Attributes(
        columns=("model", "age"),
        values=np.array([[0.0, 3.0], [1.0, 8.0], [np.nan, 2.0]]),
        categories={"model": ("alpha", "beta")},
    )
    return Extracted(telemetry=telemetry, events=(events,), attributes=attributes)


def test_any_rows_have_the_values_that_all_rows_have() -> None:
    data = extracted()
    columns = context_columns(data)
    tables = {table.name: table for table in data.events}
    asset, time = np.repeat([0, 1, 2], 50), np.tile(np.arange(50) * 2 * HOUR, 3)
    kept = context_values(columns, tables, data.attributes, asset, time)
    rows = ContextRows(columns, tables, data.attributes, asset, time)
    assert rows.shape == kept.shape
    assert np.nansum(kept) > 0
    for chosen in (np.array([3, 49, 50, 120]), slice(40, 110), np.zeros(0, np.int64)):
        np.testing.assert_array_equal(rows[chosen], kept[chosen])
