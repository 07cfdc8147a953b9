"""Which version serves."""

from datetime import timedelta
from typing import Any

import pytest
from tests.unit.operator import builders as b

from eagle_contract.api import TrainingScheduleStatus, resolve
from eagle_operator.domain.promotion import Choice, choose, verdict
from eagle_operator.domain.world import Version

OLD, CURRENT, NEW = f"{b.NAME}-1", f"{b.NAME}-2", f"{b.NAME}-3"
LETTERS = {OLD: "a", CURRENT: "b", NEW: "c"}
WEEKS = {OLD: 0, CURRENT: 1, NEW: 2}


def of(name: str, *, decision: Any = None, generation: int = 1, **status: Any) -> Version:
    """One of three versions, a week apart, trained."""
    return b.version(
        name,
        b.trained(LETTERS[name], **status),
        created=b.SLOT + timedelta(days=7 * WEEKS[name]),
        decision=decision,
        generation=generation,
    )


def old(**facts: Any) -> Version:
    return of(OLD, **{"serving": ("False", "Superseded"), **facts})


def current(**facts: Any) -> Version:
    return of(CURRENT, **{"serving": ("True", "Promoted"), **facts})


SERVED = b.in_service((CURRENT, "b"), (OLD, "a"))


def choice(*versions: Version, status: TrainingScheduleStatus = SERVED, **spec: Any) -> Choice | None:
    world = b.world(*versions, of=b.schedule(status, **spec))
    return choose(world, resolve(world.schedule.spec, b.DEFAULTS))


def chosen(*versions: Version, **more: Any) -> tuple[str, str] | None:
    made = choice(*versions, **more)
    return (made.name, made.reason) if made else None


MANUAL = {"promotion": {"policy": "Manual"}}
NOTHING = TrainingScheduleStatus()


def pinned(name: str) -> dict[str, Any]:
    return {"serving": {"pin": {"version": name}}}


def test_before_the_first_good_model_nothing_serves() -> None:
    assert chosen(status=NOTHING) is None
    assert chosen(of(OLD, validated=("False", "BelowMinimum")), status=NOTHING) is None


def test_the_first_good_model_serves() -> None:
    made = choice(of(OLD), status=NOTHING)
    assert made == Choice(
        name=OLD,
        label=b.label("a"),
        uri="s3://eagle-acme/acme/a/",
        digest=b.digest("a"),
        model_name="press-failure",
        accuracy="0.98",
        reason="Promoted",
    )


def test_an_orders_own_model_name_is_served_under() -> None:
    named = b.version(OLD, b.trained(), modelName="trial")
    made = choice(named, status=NOTHING)
    assert made is not None
    assert made.model_name == "trial"


def test_the_newest_promotable_version_follows() -> None:
    assert chosen(old(), current(), of(NEW)) == (NEW, "Promoted")


def test_the_current_version_stays_until_another_is_promotable() -> None:
    assert chosen(old(), current(), of(NEW, validated=("False", "WorseThanActive"))) == (CURRENT, "Promoted")


def test_a_version_that_ended_late_does_not_push_out_a_newer_one() -> None:
    assert chosen(of(OLD), current()) == (CURRENT, "Promoted")


@pytest.mark.parametrize("state", ["Queued", "Running"])
def test_a_run_that_has_not_ended_is_no_candidate(state: str) -> None:
    status = b.running() if state == "Running" else b.queued()
    assert chosen(current(), b.version(NEW, status)) == (CURRENT, "Promoted")


def test_the_current_version_stays_though_its_object_is_gone() -> None:
    assert chosen() == (CURRENT, "Promoted")


# --- a person's word


def test_with_policy_manual_a_version_waits_for_approval() -> None:
    assert chosen(current(), of(NEW), **MANUAL) == (CURRENT, "Promoted")
    assert chosen(current(), of(NEW, decision="Approved"), **MANUAL) == (NEW, "Promoted")


def test_a_version_that_waited_goes_in_when_it_is_approved_even_if_older() -> None:
    waited = of(OLD, serving=("False", "NotPromoted"), decision="Approved")
    assert chosen(waited, current(decision="Approved"), **MANUAL) == (OLD, "Promoted")


def test_what_served_before_does_not_come_back_by_its_old_approval() -> None:
    assert chosen(old(decision="Approved"), current(decision="Approved"), **MANUAL) == (CURRENT, "Promoted")


def test_a_rejected_version_never_goes_in() -> None:
    assert chosen(current(), of(NEW, decision="Rejected")) == (CURRENT, "Promoted")


def test_a_rejected_version_goes_in_when_it_is_approved_after_all() -> None:
    changed = of(NEW, serving=("False", "Rejected"), decision="Approved", generation=3)
    assert chosen(current(), changed) == (NEW, "Promoted")


def test_approval_overrules_a_changed_schema_and_nothing_else() -> None:
    schema = ("False", "SchemaChanged")
    assert chosen(current(), of(NEW, validated=schema)) == (CURRENT, "Promoted")
    assert chosen(current(), of(NEW, validated=schema, decision="Approved")) == (NEW, "Promoted")
    assert chosen(current(), of(NEW, validated=schema, serving=("False", "NotPromoted"), decision="Approved")) == (
        NEW,
        "Promoted",
    )
    below = of(NEW, validated=("False", "BelowMinimum"), decision="Approved")
    assert chosen(current(), below) == (CURRENT, "Promoted")


# --- back


def test_rejecting_the_current_version_brings_back_the_last_good_one() -> None:
    made = choice(old(), current(decision="Rejected"))
    assert made is not None
    assert (made.name, made.reason, made.by) == (OLD, "RolledBackTo", "alice")


def test_going_back_passes_over_what_was_rejected_or_failed() -> None:
    history = b.in_service((NEW, "c"), (CURRENT, "b"), (OLD, "a"))
    newest = of(NEW, serving=("True", "Promoted"), decision="Rejected")
    rejected = of(CURRENT, serving=("False", "Superseded"), decision="Rejected")
    assert chosen(old(), rejected, newest, status=history) == (OLD, "RolledBackTo")
    failed = of(CURRENT, serving=("False", "RolloutFailed"))
    assert chosen(old(), failed, newest, status=history) == (OLD, "RolledBackTo")


def test_a_rejected_version_goes_on_serving_where_there_is_no_other() -> None:
    alone = b.in_service((CURRENT, "b"))
    assert chosen(current(decision="Rejected"), status=alone) == (CURRENT, "Promoted")


def test_a_newer_promotable_version_is_better_than_going_back() -> None:
    assert chosen(old(), current(decision="Rejected"), of(NEW)) == (NEW, "Promoted")


# --- rollouts that failed


def test_a_failed_rollout_is_not_tried_again_by_itself() -> None:
    assert chosen(current(), of(NEW, serving=("False", "RolloutFailed"))) == (CURRENT, "Promoted")


def test_a_failed_rollout_is_tried_again_once_when_it_is_approved_after_it() -> None:
    facts: dict[str, Any] = {"serving": ("False", "RolloutFailed"), "decision": "Approved", "generation": 2}
    assert chosen(current(), of(NEW, **facts)) == (NEW, "Promoted")
    assert chosen(current(), of(NEW, **facts, serving_generation=2)) == (CURRENT, "Promoted")


def test_an_approval_from_before_the_failure_does_not_count() -> None:
    failed = of(NEW, serving=("False", "RolloutFailed"), decision="Approved")
    assert chosen(current(), failed, **MANUAL) == (CURRENT, "Promoted")


# --- pins


def test_a_pin_decides_whatever_else_there_is() -> None:
    assert chosen(old(), current(), of(NEW), **pinned(OLD)) == (OLD, "Pinned")
    unvalidated = of(NEW, validated=("False", "BelowMinimum"))
    assert chosen(current(), unvalidated, **pinned(NEW)) == (NEW, "Pinned")


@pytest.mark.parametrize(
    "version",
    [b.version(NEW, b.running()), of(NEW, serving=("False", "RolloutFailed")), of(OLD)],
    ids=["runs", "failed", "another"],
)
def test_a_pin_to_what_cannot_serve_leaves_all_as_it_is(version: Version) -> None:
    assert chosen(current(), version, **pinned(NEW)) == (CURRENT, "Promoted")
    assert chosen(version, status=NOTHING, **pinned(NEW)) is None


def test_a_version_that_passed_under_a_pin_needs_an_approval_when_the_pin_is_gone() -> None:
    passed = of(NEW, serving=("False", "NotPromoted"))
    assert chosen(current(), passed) == (CURRENT, "Promoted")
    assert chosen(current(), of(NEW, serving=("False", "NotPromoted"), decision="Approved")) == (NEW, "Promoted")


# --- the gate's evidence


def test_the_schema_is_compared_with_what_serves() -> None:
    world = b.world(current(schemaDigest=b.digest("9")), of(NEW), of=b.schedule(SERVED))
    resolved = resolve(world.schedule.spec, b.DEFAULTS)
    said = verdict(world, of(NEW), resolved)
    assert said is not None
    assert said.reason == "SchemaChanged"
    assert verdict(world, b.version(NEW, b.running()), resolved) is None
