"""History is kept to its limits, and nothing goes that serves, may serve, may run again, or is not recorded."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator import builders as make
from tests.unit.operator.builders import DEFAULTS, NAME, SLOT

from eagle_contract.api import ModelVersionStatus, TrainingScheduleStatus, resolve
from eagle_contract.api.version import Attempt
from eagle_operator.domain.promotion import choose
from eagle_operator.domain.retention import REMOVALS_A_LOOK, RUNS_WITH_LOGS, Removals, removals
from eagle_operator.domain.world import Job, Pod, Schedule, Version, World

State = Literal["Queued", "Running", "WaitingToRetry", "Succeeded", "Failed", "Cancelled"]
FINISHED = ("Succeeded", "Failed", "Cancelled")
PASSED_OVER = ("False", "NotPromoted")
LETTERS = "0123456789abcdef"


def run(number: int, state: State | None = "Succeeded", **changes: object) -> Version:
    """The run of the nth week. One that succeeded was in service and is not any more, unless `changes` say otherwise.

    `serving` and `validated` are conditions, `decision` and `owner` as in the builders, `pod` the UID of its pod.
    """
    pod = changes.pop("pod", None)
    if state == "Succeeded":
        status = make.trained(
            LETTERS[number % 16],
            serving=changes.pop("serving", ("False", "Superseded")),  # type: ignore[arg-type]
            validated=changes.pop("validated", ("True", "AllChecksPassed")),  # type: ignore[arg-type]
        )
    else:
        status = ModelVersionStatus(state=state)
    if pod:
        attempt = Attempt(number=1, job_name=name(number), pod_uid=str(pod))
        status = status.model_copy(update={"attempts": [attempt]})
    moment = SLOT + timedelta(weeks=number)
    return make.version(name(number), status, slot=moment, created=moment, **changes)  # type: ignore[arg-type]


def name(number: int) -> str:
    return f"{NAME}-{number:08d}"


def job_of(number: int, *, retry: int = 0, **changes: object) -> Job:
    """The Job of that run's attempt: complete and recorded."""
    known: dict[str, object] = {"suspended": False, "complete": True, "recorded": True, "version": name(number)}
    called = f"{name(number)}-retry-{retry}" if retry else name(number)
    slot = SLOT + timedelta(weeks=number)
    return make.job(called, slot=slot, **{**known, "attempt": retry + 1, **changes})


def serving(*numbers: int) -> TrainingScheduleStatus:
    """Those served, the newest service first."""
    return make.in_service(*((name(number), LETTERS[number % 16]) for number in numbers))


def world(
    *versions: Version, keep: tuple[int, int] = (2, 1), status: TrainingScheduleStatus | None = None, **more: object
) -> World:
    """A schedule that keeps so many good and bad runs; `spec` among `more` are members of its spec."""
    spec: dict[str, object] = more.pop("spec", {})  # type: ignore[assignment]
    limits = {"successful": keep[0], "failed": keep[1]}
    of = make.schedule(status, historyLimits=limits, **spec)
    return make.world(*versions, of=of, **more)  # type: ignore[arg-type]


def removed(world: World) -> Removals:
    return removals(world, resolve(world.schedule.spec, DEFAULTS))


def names(removals: Removals) -> list[str]:
    """The names of the versions that go."""
    return [version.meta.name for version in removals.versions]


def jobs(removals: Removals) -> list[str]:
    return [job.meta.name for job in removals.jobs]


# --- limits


def test_the_newest_successes_are_kept_and_older_ones_go() -> None:
    history = [run(number) for number in (1, 2, 3, 4)]
    assert names(removed(world(*history, status=serving(4, 3)))) == [name(1), name(2)]


def test_failures_and_cancelled_runs_share_a_limit_of_their_own() -> None:
    history = [run(1, "Failed"), run(2, "Cancelled"), run(3, "Failed"), run(4), run(5)]
    assert names(removed(world(*history, status=serving(5, 4)))) == [name(1), name(2)]


def test_a_schedule_that_says_nothing_keeps_ten_and_five() -> None:
    history = [run(number) for number in range(12)] + [run(number, "Failed") for number in range(12, 19)] + [run(20)]
    plain = make.world(*history, of=make.schedule(serving(20, 11)))
    assert names(removed(plain)) == [name(number) for number in (0, 1, 2, 12, 13)]


def test_no_failure_is_kept_where_the_limit_is_none_but_the_newest_run() -> None:
    history = [run(1, "Failed"), run(2), run(3, "Failed"), run(4, "Failed")]
    assert names(removed(world(*history, keep=(1, 0), status=serving(2)))) == [name(1), name(3)]


def test_runs_that_are_under_way_neither_go_nor_count() -> None:
    history = [run(1), run(2), run(3, "Running"), run(4, "WaitingToRetry"), run(5, "Queued"), run(6, None)]
    assert removed(world(*history, status=serving(2, 1))) == Removals()


def test_a_short_history_stays_whole() -> None:
    assert removed(world(run(1), run(2, "Failed"), status=serving(1))) == Removals()
    assert removed(world()) == Removals()


# --- what serves or may serve


def test_active_previous_and_pinned_versions_stay_however_old() -> None:
    history = [run(number) for number in range(1, 8)]
    history[2] = run(3, serving=("False", "RolloutFailed"))
    pinned = {"serving": {"pin": {"version": name(3)}}}
    kept = world(*history, keep=(1, 1), status=serving(2, 1), spec=pinned)
    assert names(removed(kept)) == [name(number) for number in (4, 5, 6)]


def test_the_version_that_a_rollout_brings_in_stays() -> None:
    history = [run(1, serving=("False", "RolloutFailed")), run(2), run(3)]
    plain = world(*history, keep=(1, 1), status=serving(3, 2))
    assert names(removed(plain)) == [name(1)]
    assert names(removed(replace(plain, deployment=make.deployment("1")))) == []
    tagged = replace(make.deployment("9"), served_version=name(1))
    assert names(removed(replace(plain, deployment=tagged))) == []
    assert names(removed(replace(plain, pods=(make.server("1"),)))) == []


def test_a_version_that_comes_next_stays_though_newer_ones_did_not_pass() -> None:
    refused = [run(number, validated=("False", "BelowMinimum"), serving=PASSED_OVER) for number in (3, 4)]
    history = [run(1), run(2, serving=None), *refused]
    due = world(*history, keep=(1, 1), status=serving(1))
    chosen = choose(due, resolve(due.schedule.spec, DEFAULTS))
    assert chosen is not None
    assert chosen.name == name(2)
    assert names(removed(due)) == [name(3)]


def test_so_does_the_one_that_comes_next_if_that_rollout_fails_and_no_more() -> None:
    history = [
        run(1),
        *(run(number, serving=None) for number in (2, 3, 4)),
        run(5, validated=("False", "BelowMinimum")),
    ]
    assert names(removed(world(*history, keep=(1, 1), status=serving(1)))) == [name(2)]


def test_without_serving_only_the_newest_are_kept() -> None:
    history = [run(number, serving=None) for number in (1, 2, 3)]
    assert names(removed(world(*history, keep=(1, 1), spec={"serving": {"mode": "None"}}))) == [name(1), name(2)]


@pytest.mark.parametrize("validated", [("True", "AllChecksPassed"), ("False", "SchemaChanged")])
def test_the_newest_version_that_waits_for_an_approval_stays(validated: tuple[str, str]) -> None:
    waiting = [run(number, validated=validated, serving=PASSED_OVER) for number in (2, 3)]
    refused = [run(number, validated=("False", "BelowMinimum"), serving=PASSED_OVER) for number in (4, 5)]
    manual = {"promotion": {"policy": "Manual"}}
    assert names(removed(world(run(1), *waiting, *refused, keep=(1, 1), status=serving(1), spec=manual))) == [
        name(2),
        name(4),
    ]


def test_a_version_that_was_turned_down_or_passed_over_long_ago_waits_for_nobody() -> None:
    turned_down = run(2, serving=("False", "Rejected"), decision="Rejected")
    refused = run(3, validated=("False", "BelowMinimum"), serving=PASSED_OVER)
    assert names(removed(world(run(1), turned_down, refused, keep=(1, 1), status=serving(1)))) == [name(2)]
    history = [run(1), run(2, serving=PASSED_OVER), *(run(number, decision="Approved") for number in (3, 4))]
    assert names(removed(world(*history, keep=(1, 1), status=serving(4, 3)))) == [name(1), name(2)]


def test_an_approved_version_goes_into_service_and_not_away() -> None:
    approved = run(1, serving=PASSED_OVER, decision="Approved")
    due = world(approved, run(2), run(3), keep=(1, 1), status=serving(3, 2), spec={"promotion": {"policy": "Manual"}})
    assert names(removed(due)) == []


def test_the_way_back_stays_when_the_previous_version_was_turned_down() -> None:
    history = [run(1), run(2), run(3), run(4, serving=("False", "Rejected"), decision="Rejected"), run(5)]
    assert names(removed(world(*history, keep=(1, 1), status=serving(5, 4, 2, 1)))) == [name(1), name(3)]


# --- what may run again


def test_the_newest_run_stays_so_that_no_older_one_counts_as_the_newest() -> None:
    for state in ("Failed", "Cancelled"):
        history = [run(1), run(2, "Failed"), run(3, state)]
        assert names(removed(world(*history, keep=(1, 0), status=serving(1)))) == [name(2)]


# --- Jobs


def test_jobs_go_before_their_version() -> None:
    history = [run(number) for number in (1, 2, 3)]
    all_jobs = (job_of(1), job_of(1, retry=1), job_of(2), job_of(3))
    first = removed(world(*history, status=serving(3, 2), jobs=all_jobs))
    assert jobs(first) == [name(1), f"{name(1)}-retry-1"]
    assert names(first) == []
    left = tuple(job for job in all_jobs if job not in first.jobs)
    assert names(removed(world(*history, status=serving(3, 2), jobs=left))) == [name(1)]


def test_jobs_of_the_newest_finished_runs_are_kept_for_their_logs() -> None:
    history = [*(run(number) for number in range(1, 7)), run(7, "Running")]
    kept = world(*history, keep=(10, 10), status=serving(6, 5), jobs=tuple(job_of(number) for number in range(1, 8)))
    assert jobs(removed(kept)) == [name(number) for number in range(1, 7 - RUNS_WITH_LOGS)]
    assert names(removed(kept)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"recorded": False},
        {"pods": 1},
        {"complete": False, "failing": True},
        {"complete": False, "suspended": True},
        {"deleting": True},
    ],
    ids=str,
)
def test_nothing_goes_before_what_it_says_is_recorded_and_its_pods_are_gone(changes: dict[str, object]) -> None:
    history = [run(number) for number in (1, 2, 3)]
    assert removed(world(*history, status=serving(3, 2), jobs=(job_of(1, **changes),))) == Removals()


def test_a_pod_that_still_runs_holds_its_job_and_its_version() -> None:
    history = [run(1, pod="uid-pod"), run(2), run(3)]
    job = job_of(1)
    running, done = make.pod(of=job), make.pod(of=job, phase="Succeeded")
    held = world(*history, status=serving(3, 2), jobs=(job,), pods=(running,))
    assert removed(held) == Removals()
    assert removed(replace(held, jobs=())) == Removals()
    assert jobs(removed(replace(held, pods=(done,)))) == [name(1)]
    assert names(removed(replace(held, jobs=(), pods=(done,)))) == [name(1)]


def test_a_recorded_job_whose_version_is_gone_goes_too() -> None:
    kept = world(run(2), run(3), status=serving(3, 2), jobs=(job_of(1), job_of(4, recorded=False, complete=False)))
    assert jobs(removed(kept)) == [name(1)]


def test_a_version_without_its_owner_is_first_adopted() -> None:
    history = [run(1, owner=None), run(2), run(3), run(4)]
    assert names(removed(world(*history, status=serving(4, 3)))) == [name(2)]
    assert jobs(removed(world(*history, status=serving(4, 3), jobs=(job_of(1),)))) == []


def test_a_long_history_goes_in_portions_the_oldest_first() -> None:
    history = [run(number) for number in range(60)]
    kept = world(*history, status=serving(59, 58), jobs=tuple(job_of(number) for number in range(45)))
    assert jobs(removed(kept)) == [name(number) for number in range(REMOVALS_A_LOOK)]
    portions = portions_until_nothing_is_left(kept)
    assert max(len(portion.jobs) + len(portion.versions) for portion in portions) == REMOVALS_A_LOOK
    assert [version for portion in portions for version in names(portion)] == [name(number) for number in range(58)]


def portions_until_nothing_is_left(world: World) -> list[Removals]:
    """What goes look after look."""
    portions: list[Removals] = []
    while any(portion := removed(world)):
        portions.append(portion)
        versions = tuple(version for version in world.versions if version not in portion.versions)
        world = replace(world, versions=versions, jobs=tuple(job for job in world.jobs if job not in portion.jobs))
    return portions


# --- every history

SERVING = [None, PASSED_OVER, ("False", "Superseded"), ("False", "RolloutFailed"), ("False", "Rejected")]
VALIDATED = [("True", "AllChecksPassed"), ("False", "BelowMinimum"), ("False", "SchemaChanged")]


@st.composite
def some_version(draw: st.DrawFn, number: int) -> Version:
    state = draw(st.sampled_from([*FINISHED, "Succeeded", "Running", "WaitingToRetry", "Queued", None]))
    changes: dict[str, object] = {"decision": draw(st.sampled_from([None, None, "Approved", "Rejected"]))}
    if state == "Succeeded":
        changes |= {"serving": draw(st.sampled_from(SERVING)), "validated": draw(st.sampled_from(VALIDATED))}
    return run(number, state, pod=draw(st.sampled_from([None, f"uid-pod-{number}"])), **changes)


@st.composite
def some_job(draw: st.DrawFn, number: int) -> Job:
    ended = draw(st.booleans())
    return job_of(
        number,
        retry=draw(st.integers(0, 2)),
        complete=ended,
        recorded=ended and draw(st.booleans()),
        pods=draw(st.sampled_from([0, 0, 1])),
        deleting=draw(st.sampled_from([False, False, True])),
    )


@st.composite
def some_world(draw: st.DrawFn) -> World:
    count = draw(st.integers(0, 12))
    versions = [draw(some_version(number)) for number in range(count)]
    jobs = {job.meta.name: job for n in range(count + 1) for job in draw(st.lists(some_job(n), max_size=2))}
    number = st.integers(0, max(count - 1, 0))
    served = draw(st.lists(number, unique=True, max_size=4))
    spec: dict[str, object] = {"promotion": {"policy": draw(st.sampled_from(["Automatic", "Manual"]))}}
    if draw(st.booleans()):
        spec["serving"] = {"pin": {"version": name(draw(number))}}
    deployment = draw(st.sampled_from([None, make.deployment(LETTERS[draw(number)])]))
    pods = [make.pod(f"uid-pod-{n}", phase=draw(st.sampled_from(["Running", "Succeeded"]))) for n in range(count)]
    return world(
        *versions,
        keep=(draw(st.integers(1, 4)), draw(st.integers(0, 3))),
        status=serving(*served) if served else None,
        spec=spec,
        deployment=deployment,
        jobs=tuple(jobs.values()),
        pods=tuple(draw(st.lists(st.sampled_from(pods), max_size=3, unique=True))) if pods else (),
    )


def held_by_the_schedule(schedule: Schedule) -> set[str | None]:
    status, pin = schedule.status, schedule.spec.serving.pin if schedule.spec.serving else None
    served = (status.active_version, status.previous_version)
    return {*(version.name for version in served if version), pin.version if pin else None}


def at_work(pods: Sequence[Pod]) -> set[str]:
    return {pod.meta.uid for pod in pods if not pod.ended}


@given(some_world())
def test_nothing_that_is_needed_or_not_recorded_ever_goes(seen: World) -> None:
    resolved = resolve(seen.schedule.spec, DEFAULTS)
    gone = removals(seen, resolved)
    chosen = choose(seen, resolved)
    told = seen.deployment.spec["template"]["spec"]["containers"][0]["env"][0]["value"] if seen.deployment else ""
    for version in gone.versions:
        assert version.status.state in FINISHED
        assert version.meta.name not in held_by_the_schedule(seen.schedule)
        assert chosen is None or version.meta.name != chosen.name
        assert version.status.result is None or version.status.result.artifact.digest not in told
        assert version is not seen.versions[-1]
        assert not [job for job in seen.jobs if job.version == version.meta.name]
        assert not at_work(seen.pods) & {attempt.pod_uid for attempt in version.status.attempts}
    under_way = {version.meta.name for version in seen.versions if version.status.state not in FINISHED}
    for job in gone.jobs:
        assert job.recorded
        assert job.finished
        assert job.pods == 0
        assert job.version not in under_way


@given(some_world())
def test_what_is_kept_is_within_the_limits_or_needed_and_the_same_look_asks_for_the_same(seen: World) -> None:
    gone = removed(seen)
    assert gone == removed(seen)
    assert len(gone.versions) + len(gone.jobs) <= REMOVALS_A_LOOK
    resolved = resolve(seen.schedule.spec, DEFAULTS)
    for states, limit in (({"Succeeded"}, resolved.keep_successful), ({"Failed", "Cancelled"}, resolved.keep_failed)):
        newest = [version for version in reversed(seen.versions) if version.status.state in states][:limit]
        assert not set(names(gone)) & {version.meta.name for version in newest}


@given(some_world())
def test_choosing_what_serves_is_the_same_after_as_before(seen: World) -> None:
    resolved = resolve(seen.schedule.spec, DEFAULTS)
    after = replace(seen, versions=tuple(v for v in seen.versions if v not in removals(seen, resolved).versions))
    before_choice, after_choice = choose(seen, resolved), choose(after, resolved)
    assert before_choice == after_choice


@given(some_world())
def test_a_history_without_jobs_is_down_to_its_limits_at_once(seen: World) -> None:
    idle = replace(seen, jobs=(), pods=())
    gone = removed(idle)
    assert removed(replace(idle, versions=tuple(v for v in idle.versions if v not in gone.versions))) == Removals()
    bad = [v for v in idle.versions if v.status.state in ("Failed", "Cancelled") and v not in gone.versions]
    limit = resolve(idle.schedule.spec, DEFAULTS).keep_failed
    needless = [v for v in bad if v.meta.name not in held_by_the_schedule(idle.schedule) and v is not idle.versions[-1]]
    assert len(needless) <= limit
