"""What docs/operate.md and the runbooks say of metrics and of clock changes is what the operator does."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import Counter, Gauge, Histogram

from eagle_operator import metrics
from eagle_operator.domain import timetable

DOCS = Path(__file__).resolve().parents[3] / "docs"
OPERATE = (DOCS / "operate.md").read_text()
RUNBOOKS = sorted(page for page in (DOCS / "runbooks").glob("*.md") if page.stem != "README")

ZONE = ZoneInfo("Europe/Berlin")
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
_ROW = re.compile(r"^\| `([^`]+ \* \* \*)` \| (\d[^|]*) \| (\d[^|]*) \|$", re.MULTILINE)
_SERIES = re.compile(r"\beagle_[a-z_]+")
_PARTS_OF_A_HISTOGRAM = ("bucket", "sum", "count")


def exposed() -> set[str]:
    """The operator's metrics, a histogram's without its parts."""
    found = set()
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            name = next(iter(metric.describe())).name
            found.add(f"{name}_total" if isinstance(metric, Counter) else name)
    return found


@pytest.mark.parametrize("name", sorted(exposed()))
def test_every_metric_is_listed(name: str) -> None:
    assert re.search(rf"`{name}[{{`]", OPERATE), f"docs/operate.md does not list {name}"


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_the_rules_of_a_runbook_look_at_metrics_that_there_are(page: Path) -> None:
    known = exposed() | {f"{name}_{part}" for name in exposed() for part in _PARTS_OF_A_HISTOGRAM}
    named = set(_SERIES.findall(page.read_text()))
    assert named
    assert named <= known


def readings(fields: str, day: date) -> list[str]:
    """What the clocks read at the slots of a day."""
    midnight, end = (datetime(d.year, d.month, d.day, tzinfo=ZONE) for d in (day, day + timedelta(days=1)))
    before, last = (moment.astimezone(UTC) - timedelta.resolution for moment in (midnight, end))
    slots = timetable.slots_between(fields, ZONE.key, before, last, limit=100)
    return [f"{slot.astimezone(ZONE):%-H:%M}" for slot in slots]


TOLD = [
    (fields, day, said)
    for fields, *both in _ROW.findall(OPERATE)
    for day, said in zip((SPRING, AUTUMN), both, strict=True)
]


@pytest.mark.parametrize(("fields", "day", "said"), TOLD)
def test_the_table_of_clock_changes_is_right(fields: str, day: date, said: str) -> None:
    read = readings(fields, day)
    count, _, rest = said.partition(",")
    assert len(read) == int(count)
    for times, clock in re.findall(r"(none at|two at|one at|first|at|,) (\d+:\d\d)", rest):
        assert read.count(clock) == {"none at": 0, "two at": 2}.get(times, 1), clock


def test_the_table_of_clock_changes_has_rows() -> None:
    assert len(TOLD) > 10
