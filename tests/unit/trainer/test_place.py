"""A pod knows its place among the workers from its Job, and is alone where the Job says nothing."""

from contextlib import AbstractContextManager
from typing import Any

import pytest
from tests.unit.operator import builders as b
from tests.unit.trainer import test_in_pod as pods

from eagle_contract.api import names, resolve
from eagle_operator.domain.training_job import slot_job
from eagle_trainer import in_pod
from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.team.alone import ALONE
from eagle_trainer.team.place import Place

JOB = "press-line-29924231"


def environment(workers: int | None, index: str | None = None) -> dict[str, str]:
    """What the kubelet tells a pod of a Job of the operator's; `index` is added by Kubernetes."""
    of = b.schedule(trainer={"workers": workers})
    job = slot_job(of, b.SLOT, resolve(of.spec, b.DEFAULTS), b.INSTALLATION)
    told = pods.environment(job, pods.secrets("uri"))
    return told if index is None else {**told, "JOB_COMPLETION_INDEX": index}


def entered(context: AbstractContextManager[Any]) -> Any:
    with context as found:
        return found


def test_a_pod_of_a_job_for_one_worker_is_alone() -> None:
    place = Place.from_environment(environment(None))
    assert (place.worker, place.size) == (0, 1)
    assert entered(place.team()) is ALONE


def test_a_pod_of_a_job_for_several_is_told_which_of_how_many_it_is() -> None:
    place = Place.from_environment(environment(3, "2"))
    assert place == Place(worker=2, size=3, job=JOB, service="press-line-workers")


def test_a_helper_looks_for_worker_0_by_its_host_name_and_does_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("eagle_trainer.team.place.help_out", lambda worker, **known: asked.append((worker, known)))
    in_pod.run(environment(2, "1"))
    ((worker, known),) = asked
    assert (worker, known["run"]) == (1, JOB)
    assert known["leader"] == (f"{JOB}-0.press-line-workers", names.WORKERS_PORT)
    assert known["learning_port"] == names.LEARNING_PORT


@pytest.mark.parametrize(
    "wrong",
    [
        {"EAGLE_WORKERS": "many"},
        {"JOB_COMPLETION_INDEX": "2"},
        {"JOB_COMPLETION_INDEX": "-1"},
        {"EAGLE_WORKERS_SERVICE": ""},
        {"EAGLE_JOB_NAME": ""},
    ],
)
def test_what_does_not_fit_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidConfiguration, match=r"^EAGLE_WORKERS is .* which do not fit"):
        Place.from_environment({**environment(2, "1"), **wrong})
