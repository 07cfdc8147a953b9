"""How many runs were under way at each moment, and in which order they began, by watches of the test's own."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from tests.support.api import Object
from tests.support.watching import Change, Watch

from eagle_contract.api import names

Key = tuple[str, str]
Alive = Callable[[Object], bool]
"""Whether an object is under way."""


@dataclass(frozen=True)
class Moment:
    """When something became of a Job."""

    job: Key
    at: float
    """Seconds of time.monotonic."""


@dataclass(frozen=True)
class Tally:
    """The runs of some namespaces. Pods and Jobs come by two watches, so what one says is taken by itself.

    A Job counts from being let go until it is finished; a pod from being made until it has ended. Either alone must
    keep within the limit.
    """

    jobs: Watch
    pods: Watch
    namespaces: set[str]

    def most(self) -> int:
        """The most that were ever under way at once."""
        return max(max(self._levels(watch, alive), default=0) for watch, alive in self._watches())

    def most_of_one_organization(self) -> int:
        """The most that any one namespace ever had under way."""
        found = 0
        for namespace in self.namespaces:
            only = Tally(self.jobs, self.pods, {namespace})
            found = max(found, only.most())
        return found

    def starts(self) -> list[Moment]:
        """The Jobs that were let go, in that order."""
        found: dict[str, Moment] = {}
        for change in self._changes(self.jobs):
            uid = change.object["metadata"]["uid"]
            if not change.object["spec"].get("suspend") and uid not in found:
                found[uid] = Moment(change.key, change.at)
        return sorted(found.values(), key=lambda start: start.at)

    def ends(self) -> list[Moment]:
        """The Jobs that are finished, in the order in which they ended."""
        found: dict[str, Moment] = {}
        for change in self._changes(self.jobs):
            uid = change.object["metadata"]["uid"]
            if _job_has_ended(change.object) and uid not in found:
                found[uid] = Moment(change.key, change.at)
        return sorted(found.values(), key=lambda end: end.at)

    def gaps(self, limit: int) -> list[float]:
        """How long each place that became free stayed free, in seconds, as long as runs waited."""
        waited = self.starts()[limit:]
        return [start.at - end.at for end, start in zip(self.ends(), waited, strict=False)]

    def lateness(self) -> list[float]:
        """From each Job's slot until it was let go, in seconds."""
        to_wall_clock = time.time() - time.monotonic()
        slots = {
            change.key: datetime.fromisoformat(change.object["metadata"]["annotations"][names.SLOT_ANNOTATION])
            for change in self._changes(self.jobs)
        }
        return [start.at + to_wall_clock - slots[start.job].timestamp() for start in self.starts()]

    def overtaken(self) -> list[str]:
        """Namespaces that had no run yet when another got its second."""
        had: Counter[str] = Counter()
        found = []
        for start in self.starts():
            namespace = start.job[0]
            had[namespace] += 1
            if had[namespace] == 2:
                found += sorted(self.namespaces - had.keys())
        return found

    def jobs_made_twice(self) -> list[Key]:
        """Names under which more than one Job was ever made."""
        made = {(change.key, change.object["metadata"]["uid"]) for change in self._changes(self.jobs)}
        return sorted(key for key, times in Counter(key for key, _ in made).items() if times > 1)

    def _watches(self) -> list[tuple[Watch, Alive]]:
        return [(self.jobs, _job_runs), (self.pods, _pod_lives)]

    def _changes(self, watch: Watch) -> Iterator[Change]:
        for change in watch.all():
            if change.key[0] in self.namespaces:
                yield change

    def _levels(self, watch: Watch, alive: Alive) -> Iterator[int]:
        under_way: set[str] = set()
        for change in self._changes(watch):
            uid = change.object["metadata"]["uid"]
            if change.kind != "DELETED" and alive(change.object):
                under_way.add(uid)
            else:
                under_way.discard(uid)
            yield len(under_way)


def _job_runs(job: Object) -> bool:
    return not job["spec"].get("suspend") and not _job_has_ended(job)


def _job_has_ended(job: Object) -> bool:
    ended = {c["type"] for c in job.get("status", {}).get("conditions", []) if c["status"] == "True"}
    return bool(ended & {"Complete", "Failed"})


def _pod_lives(pod: Object) -> bool:
    trainers = names.JOB_NAME_LABEL in pod["metadata"].get("labels", {})
    return trainers and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
