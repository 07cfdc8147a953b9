"""The context holds what was known at the moment: counts, hours since, attributes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.trainer.arrays import START, telemetry

from eagle_trainer.context import LOOKBACK_SECONDS, MOST_KINDS, ContextColumn, context_columns, context_values
from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.series import SECOND, Attributes, Events, Extracted, Floats

HOUR = 3600 * SECOND


def errors(*happened: tuple[int, float, str], latency_hours: float = 0) -> Events:
    """Events given as (asset, hours after the start, kind)."""
    kinds = tuple(sorted({kind for _, _, kind in happened}))
    rows = sorted((asset, START + round(hours * HOUR), kinds.index(kind)) for asset, hours, kind in happened)
    columns = np.array(rows, np.int64).reshape(-1, 3)
    return Events(
        name="error",
        kinds=kinds,
        asset=columns[:, 0],
        time=columns[:, 1],
        kind=columns[:, 2],
        latency_seconds=round(latency_hours * 3600),
    )


def known(table: Events, *moments: tuple[int, float]) -> dict[str, list[float]]:
    """Column name to its values at (asset, hours)."""
    columns = context_columns(Extracted(telemetry=telemetry(np.zeros((2, 1))), events=(table,)))
    asset = np.array([asset for asset, _ in moments], np.int64)
    time = np.array([START + round(hours * HOUR) for _, hours in moments], np.int64)
    values = context_values(columns, {"error": table}, None, asset, time)
    return {column.name: values[:, i].tolist() for i, column in enumerate(columns)}


def test_events_are_counted_by_kind_over_a_day_and_a_week() -> None:
    table = errors((0, 1, "hot"), (0, 20, "hot"), (0, 30, "cold"), (0, 100, "hot"))
    found = known(table, (0, 0.5), (0, 21), (0, 26), (0, 101), (0, 200))
    assert found["error_hot__count_1d"] == [0, 2, 1, 1, 0]
    assert found["error_hot__count_7d"] == [0, 2, 2, 3, 1]
    assert found["error_cold__count_7d"] == [0, 0, 0, 1, 0]


def test_an_event_counts_from_its_moment_and_until_just_before_the_window_has_passed() -> None:
    table = errors((0, 10, "hot"))
    found = known(table, (0, 10 - 1e-4), (0, 10), (0, 34 - 1e-4), (0, 34))
    assert found["error_hot__count_1d"] == [0, 1, 1, 0]


def test_hours_since_the_newest_event_are_missing_before_the_first() -> None:
    table = errors((0, 10, "hot"), (0, 14, "hot"))
    found = known(table, (0, 9), (0, 10), (0, 13), (0, 14.5))
    np.testing.assert_array_equal(found["error_hot__hours_since"], [np.nan, 0.0, 3.0, 0.5])


def test_an_event_beyond_the_lookback_counts_as_none() -> None:
    lookback = LOOKBACK_SECONDS / 3600
    found = known(errors((0, 0, "hot")), (0, lookback - 1), (0, lookback))
    np.testing.assert_array_equal(found["error_hot__hours_since"], [lookback - 1, np.nan])


def test_rows_entered_late_count_only_from_then() -> None:
    table = errors((0, 10, "hot"), latency_hours=6)
    found = known(table, (0, 15.9), (0, 16), (0, 33.9), (0, 34))
    assert found["error_hot__count_1d"] == [0, 1, 1, 0]
    np.testing.assert_array_equal(found["error_hot__hours_since"], [np.nan, 6.0, 23.9, 24.0])


def test_an_event_later_than_its_window_by_latency_is_never_counted() -> None:
    found = known(errors((0, 10, "hot"), latency_hours=30), (0, 30), (0, 40), (0, 50))
    assert found["error_hot__count_1d"] == [0, 0, 0]
    assert found["error_hot__count_7d"] == [0, 1, 1]


def test_events_of_one_asset_say_nothing_of_another() -> None:
    found = known(errors((0, 10, "hot")), (0, 11), (1, 11))
    assert found["error_hot__count_1d"] == [1, 0]
    np.testing.assert_array_equal(found["error_hot__hours_since"], [1.0, np.nan])


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 300)), max_size=12),
    st.integers(0, 30),
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 300)), min_size=1, max_size=8),
)
def test_context_follows_its_definition(
    happened: list[tuple[int, int]], latency: int, moments: list[tuple[int, int]]
) -> None:
    """Against counting one by one, as somebody who has only the manifest would."""
    table = errors(*((asset, hours, "hot") for asset, hours in happened), latency_hours=latency)
    found = known(table, *moments)
    if not happened:
        assert found == {}
        return
    for name, window in (("count_1d", 24), ("count_7d", 168)):
        expected = [
            sum(1 for a, h in happened if a == asset and now - window < h <= now - latency) for asset, now in moments
        ]
        assert found[f"error_hot__{name}"] == expected
    newest = [
        max((h for a, h in happened if a == asset and h <= now - latency), default=None) for asset, now in moments
    ]
    np.testing.assert_allclose(
        found["error_hot__hours_since"],
        [np.nan if h is None else now - h for h, (_, now) in zip(newest, moments, strict=True)],
    )


def test_events_without_kinds_bear_the_tables_name() -> None:
    assert list(known(errors((0, 1, "")), (0, 2))) == ["error__count_1d", "error__count_7d", "error__hours_since"]


def test_only_the_most_frequent_kinds_get_columns() -> None:
    happened = [(0, float(i), f"kind{kind:02d}") for kind in range(20) for i in range(kind + 1)]
    found = known(errors(*happened), (0, 1))
    assert {name.split("__")[0] for name in found} == {f"error_kind{kind:02d}" for kind in range(20 - MOST_KINDS, 20)}


@pytest.fixture
def machines() -> Attributes:
    values: Floats = np.array([[0.0, 18.0], [1.0, 7.0], [np.nan, np.nan]])
    return Attributes(columns=("model", "age"), values=values, categories={"model": ("alpha", "beta")})


def test_attributes_are_the_assets_own_and_categories_their_codes(machines: Attributes) -> None:
    columns = context_columns(Extracted(telemetry=telemetry(np.zeros((3, 1)), assets=3), attributes=machines))
    assert [column.name for column in columns] == ["attribute_model", "attribute_age"]
    values = context_values(columns, {}, machines, np.array([2, 0, 1]), np.zeros(3, np.int64))
    np.testing.assert_array_equal(values, [[np.nan, np.nan], [0.0, 18.0], [1.0, 7.0]])


def test_the_manifest_defines_every_column(machines: Attributes) -> None:
    table = errors((0, 1, "hot"), latency_hours=2)
    columns = context_columns(
        Extracted(telemetry=telemetry(np.zeros((3, 1)), assets=3), events=(table,), attributes=machines)
    )
    assert [column.definition() for column in columns[1:4]] == [
        {
            "name": "error_hot__count_7d",
            "source": "error",
            "statistic": "count",
            "kind": "hot",
            "windowSeconds": 604_800,
            "latencySeconds": 7200,
        },
        {
            "name": "error_hot__hours_since",
            "source": "error",
            "statistic": "hours_since",
            "kind": "hot",
            "windowSeconds": LOOKBACK_SECONDS,
            "latencySeconds": 7200,
        },
        {"name": "attribute_model", "source": "model", "statistic": "attribute", "categories": ["alpha", "beta"]},
    ]


def test_an_attribute_of_numbers_has_no_categories() -> None:
    column = ContextColumn(name="attribute_age", source="age", statistic="attribute")
    assert column.definition() == {"name": "attribute_age", "source": "age", "statistic": "attribute"}


def test_two_tables_whose_columns_would_have_the_same_name_are_refused() -> None:
    one = errors((0, 1, "pump_hot"))
    two = replace(errors((0, 1, "hot")), name="error_pump")
    data = Extracted(telemetry=telemetry(np.zeros((2, 1))), events=(one, two))
    with pytest.raises(InvalidConfiguration, match=r"source\.events 'error' \(kind 'pump_hot'\) and 'error_pump'"):
        context_columns(data)
