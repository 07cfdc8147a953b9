"""Whether what is there is what is wanted, although the API server adds defaults and rewrites quantities."""

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator import builders as b

from eagle_contract.api import resolve
from eagle_operator.domain.manifests import amount, covers
from eagle_operator.domain.training_job import cron_job


@pytest.mark.parametrize(
    ("observed", "desired"),
    [
        ({"a": 1, "defaulted": True}, {"a": 1}),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 2]}}),
        ({}, {"suspend": False, "text": "", "count": 0}),
        ([{"name": "x", "v": 1}, {"name": "added"}], [{"name": "x", "v": 1}]),
        ([{"name": "y"}, {"name": "x"}], [{"name": "x"}, {"name": "y"}]),
        ([], []),
        ({"memory": "1Gi"}, {"memory": "1024Mi"}),
        ({"cpu": "500m"}, {"cpu": "0.5"}),
        ({"cpu": "2"}, {"cpu": "2000m"}),
        ({"cpu": "9m"}, {"cpu": "0.009"}),
        ({"cpu": "4350m"}, {"cpu": "4.35"}),
        ({"memory": "1G"}, {"memory": "1000M"}),
        ({"memory": 1024}, {"memory": "1Ki"}),
    ],
)
def test_what_is_wanted_is_there(observed: Any, desired: Any) -> None:
    assert covers(observed, desired)


@pytest.mark.parametrize(
    ("observed", "desired"),
    [
        ({"a": 1}, {"a": 2}),
        ({}, {"a": 1}),
        ({}, {"a": {}}),
        ({}, {"a": [1]}),
        (None, {"a": 1}),
        ([1, 2], [2, 1]),
        ([1], [1, 2]),
        ("text", [1]),
        ([{"name": "x", "v": 1}], [{"name": "x", "v": 2}]),
        ([{"name": "x"}], [{"name": "y"}]),
        ({"memory": "1G"}, {"memory": "1Gi"}),
        ({"cpu": "2"}, {"cpu": "2m"}),
        ({"text": "one"}, {"text": "two"}),
        ({"suspend": True}, {"suspend": False}),
    ],
)
def test_what_is_wanted_is_not_there(observed: Any, desired: Any) -> None:
    assert not covers(observed, desired)


@pytest.mark.parametrize(
    ("quantity", "number"),
    [("500m", "0.5"), ("2Gi", "2147483648"), ("1.5k", "1500"), (3, "3"), ("1M", "1000000"), ("1Ei", 2**60)],
)
def test_a_quantity_is_an_exact_number(quantity: str | int, number: str | int) -> None:
    assert amount(quantity) == Decimal(number)


@pytest.mark.parametrize("quantity", ["", "much", "1Zi", "Gi", "1 Gi"])
def test_what_is_no_quantity_is_refused(quantity: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        amount(quantity)


@given(milli=st.integers(1, 1_000_000))
def test_a_fraction_is_the_same_amount_in_thousandths(milli: int) -> None:
    assert covers({"cpu": f"{milli}m"}, {"cpu": str(Decimal(milli) / 1000)})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(value=json_values)
def test_everything_covers_itself(value: object) -> None:
    assert covers(copy.deepcopy(value), value)


def test_any_change_of_a_cron_job_is_seen() -> None:
    of = b.schedule(trainer={"nodeSelector": {"disk": "ssd"}, "resources": {"limits": {"memory": "2Gi"}}})
    desired = cron_job(of, resolve(of.spec, b.DEFAULTS), b.INSTALLATION)["spec"]
    for path in _leaves(desired):
        changed = copy.deepcopy(desired)
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = "changed"
        assert not covers(changed, desired), path


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        members: Any = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    else:
        return [path]
    return [leaf for key, inner in members for leaf in _leaves(inner, (*path, key))]
