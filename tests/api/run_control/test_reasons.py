"""Every way in which an attempt can end is told apart, from what Kubernetes shows of it while it is there."""

from dataclasses import dataclass, field
from typing import Any

from tests.support import kwok, runs
from tests.support.lab import BeginOperator, Lab, condition
from tests.support.runs import Ending, Script

LOG_BYTES = 2048
MEMORY = {"requests": {"memory": "1Gi"}, "limits": {"memory": "1Gi"}}


@dataclass(frozen=True)
class Case:
    """How an attempt goes, and what is to be said of it."""

    reason: str
    words: str
    script: Script
    spec: dict[str, Any] = field(default_factory=dict)


def ends(ending: Ending) -> Script:
    return lambda played: ending


def hangs(played: runs.Played) -> Ending | None:
    return None


def placed(selector: dict[str, str]) -> dict[str, Any]:
    return {"trainer": {"nodeSelector": selector}, "pendingTimeoutSeconds": 15}


CASES = [
    Case("SourceUnavailable", "the database did not answer", ends(runs.FAILS)),
    Case("InvalidConfiguration", "no such column", ends(Ending(accuracy=None, exit_code=10, message="no such column"))),
    Case("Error", "exit code 99", ends(Ending(accuracy=None, exit_code=99))),
    Case("OutOfMemory", "memory", ends(runs.OUT_OF_MEMORY)),
    Case("NoResult", "no result", ends(runs.SAYS_NOTHING)),
    Case("DeadlineExceeded", "spec.timeoutSeconds", hangs, {"timeoutSeconds": 60}),
    Case("PendingTimeout", "Unschedulable", hangs, placed(kwok.NOWHERE)),
    Case("PendingTimeout", "ImageUnavailable", hangs, placed(kwok.IMAGE_MISSING)),
]


def test_reasons_are_told_apart_and_the_logs_end_is_kept(lab: Lab, begin_operator: BeginOperator) -> None:
    operator = begin_operator(lab.plane.config, MAX_CONCURRENT_RUNS="100")
    orders = []
    for case in CASES:
        place = lab.organization(case.script)
        lab.schedule(place, retry={"delaysSeconds": []}, **case.spec)
        orders.append(lab.order(place))
    for case, order in zip(CASES, orders, strict=True):
        lab.until_state(order, "Failed", operator, timeout=150)
        status = lab.version(order)
        (attempt,) = status["attempts"]
        assert (attempt["reason"], condition(status, "Trained")) == (case.reason, ("False", case.reason))
        assert case.words in attempt["message"]
        if case.script is not hangs:
            assert attempt["logTail"].strip().endswith(kwok.LOG_LINES[-1])
            assert len(attempt["logTail"].encode()) <= LOG_BYTES


def test_a_run_that_ran_out_of_memory_gets_more_up_to_the_bound(lab: Lab, begin_operator: BeginOperator) -> None:
    operator = begin_operator(lab.plane.config)
    place = lab.organization(lambda played: runs.PASSES if played.attempt == 3 else runs.OUT_OF_MEMORY)
    lab.schedule(place, retry={"delaysSeconds": [1, 1], "maxMemory": "2Gi"}, trainer={"resources": MEMORY})
    order = lab.order(place)
    lab.until_state(order, "Succeeded", operator)
    containers = [played.pod["spec"]["containers"][0] for played in lab.trainers.played_in(place.namespace)]
    assert [container["resources"]["limits"]["memory"] for container in containers] == ["1Gi", "1536Mi", "2Gi"]
