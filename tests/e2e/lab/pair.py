"""Two trained versions of one schedule, and the endless questions of a client while one takes the other's place."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from eagledemo.asker import Tally
from eagledemo.load import Load, asking
from tests.e2e.lab.line import MODEL_NAME, calm_windows
from tests.e2e.lab.plant import Plant
from tests.e2e.lab.schedule import Schedule
from tests.support.cluster import local_images

from eagle_contract.api import names


@dataclass(frozen=True)
class Pair:
    """A schedule with the policy Manual: `first` serves when a test begins, `second` passed the gate too."""

    plant: Plant
    schedule: Schedule
    first: str
    second: str

    def begin(self) -> None:
        """Bring `first` into service and `second` out of it, whatever a test before left behind."""
        self.schedule.decide(self.second, "Rejected", "a test begins")
        self.schedule.until_reason(self.second, "Serving", "Rejected")
        self.schedule.until_serving(self.first)

    @property
    def active(self) -> str | None:
        """The name of the version in service."""
        name: str | None = self.schedule.look()["status"].get("activeVersion", {}).get("name")
        return name

    def label(self, name: str) -> str:
        """The label that servers and clients know a version by."""
        return str(self.schedule.version(name)["status"]["version"])

    @contextmanager
    def asked(self) -> Iterator[Load]:
        """A client in the cluster asks without a pause, from before the context begins until after it ends."""
        length = self.schedule.api.call("GET", f"{self.schedule.service}/v2/models/{MODEL_NAME}")["parameters"]
        window = calm_windows(length["windowLength"], 1)
        tensor = {"name": "window", "datatype": "FP64", "shape": [1, len(window[0]), len(window[0][0])], "data": window}
        service = names.serving_name(self.schedule.name)
        url = f"http://{service}.{self.plant.namespace}.svc/v2/models/{MODEL_NAME}/infer"
        with asking(
            self.plant.cluster,
            self.plant.namespace,
            "asker",
            url=url,
            body=json.dumps({"inputs": [tensor]}),
            image=local_images()["EAGLE_SERVING_IMAGE"],
            pause_seconds=0.02,
        ) as load:
            yield load


def trained_pair(plant: Plant) -> Pair:
    """A new schedule with two versions, the first of them in service."""
    schedule = plant.schedule("pair", promotion={"policy": "Manual"})
    first = schedule.train(parameters={"num_leaves": "5"})
    second = schedule.train(parameters={"num_leaves": "6"})
    schedule.until_reason(second, "Serving", "NotPromoted")
    schedule.decide(first, "Approved", "the first of all")
    schedule.until_serving(first)
    return Pair(plant, schedule, first, second)


def unfailing(tally: Tally) -> Tally:
    """The tally; AssertionError when a question failed."""
    assert tally.failed == 0, tally
    assert tally.asked > 0
    return tally
