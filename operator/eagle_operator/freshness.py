"""Whether the watches deliver: what an answer or a list showed must come by watch, too, within a while.

A watch that has gone stale looks exactly like one on which nothing happens. So the highest resource version that was
seen otherwise is remembered, by kind, and the watch owes it. An object may go, or leave the watch's selector, before
the watch came to it; so a debt alone is no proof: the kind is listed once more, and only an object that still is as it
was owed makes the watch stale.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from eagle_operator.mirror import KINDS, Key, Listing, Mirror, Raw

OWED_FOR_SECONDS = 150.0
"""kopf finds out after 70 s that a watch is dead, and may then wait 30 s before it tries once more."""
_LIST_AGAIN_AFTER_SECONDS = 20.0
_LONGEST_GAP_SECONDS = 15.0


class AnsweringClock:
    """Seconds during which the API server answered: what nobody can deliver while it is away is not late."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = 0.0
        self._last_answer: float | None = None

    def heard(self, answered: bool) -> None:
        """A request was answered, or it was not."""
        now = self._clock()
        if answered and self._last_answer is not None:
            # The Lease is looked at every few seconds; a longer gap was none of answers.
            self._seconds += min(now - self._last_answer, _LONGEST_GAP_SECONDS)
        self._last_answer = now if answered else None

    def __call__(self) -> float:
        """The time on this clock."""
        return self._seconds


@dataclass
class _Watch:
    delivered: int = 0
    owed: int = 0
    owed_since: float | None = None
    listed_for_it: float = float("-inf")
    stale: bool = False
    proved: float = 0.0


class Freshness:
    """What each watch delivered and owes."""

    def __init__(self, answering: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> None:
        self._answering, self._clock = answering, clock
        self._watches = {kind: _Watch(proved=clock()) for kind in KINDS}

    def delivered(self, kind: str, version: int) -> None:
        """The watch brought an object of that resource version, be it an old one: it lives."""
        watch = self._watches[kind]
        watch.delivered = max(watch.delivered, version)
        watch.stale = False
        watch.proved = self._clock()
        watch.owed_since = self._answering() if watch.owed > watch.delivered else None

    def expect(self, kind: str, version: int) -> None:
        """An answer showed an object of that resource version."""
        watch = self._watches[kind]
        if version <= watch.delivered:
            return
        watch.owed = max(watch.owed, version)
        if watch.owed_since is None:
            watch.owed_since = self._answering()

    def listed(self, kind: str, versions: Iterable[int], list_version: int) -> None:
        """A list of the kind, as of `list_version`, showed objects of these resource versions."""
        watch = self._watches[kind]
        missing = [version for version in versions if version > watch.delivered]
        if not missing and watch.owed <= list_version:
            watch.owed, watch.owed_since = watch.delivered, None
            watch.stale, watch.proved = False, self._clock()
            return
        if self._late(watch) and any(version <= watch.owed for version in missing):
            watch.stale = True
        newest = max(missing, default=0)
        if watch.owed <= list_version:
            # What is not in the list any more is not owed any more.
            watch.owed = newest
        self.expect(kind, newest)

    def to_list(self) -> list[str]:
        """The kinds that are to be listed now, because their watches owe something for long."""
        now = self._answering()
        found = []
        for kind, watch in self._watches.items():
            if self._late(watch) and not watch.stale and now >= watch.listed_for_it + _LIST_AGAIN_AFTER_SECONDS:
                watch.listed_for_it = now
                found.append(kind)
        return found

    def stale(self) -> list[str]:
        """The kinds whose watches do not deliver."""
        return [kind for kind, watch in self._watches.items() if watch.stale]

    def age(self, kind: str) -> float:
        """Seconds since the watch of that kind last showed that it delivers: by an event, or by owing nothing."""
        return self._clock() - self._watches[kind].proved

    def _late(self, watch: _Watch) -> bool:
        return watch.owed_since is not None and self._answering() - watch.owed_since >= OWED_FOR_SECONDS


class OwingMirror(Mirror):
    """A mirror that tells what it learned from answers and lists; the Watcher tells what the watches bring."""

    def __init__(self, freshness: Freshness) -> None:
        super().__init__()
        self._freshness = freshness

    def remember(self, kind: str, raw: Raw) -> Key | None:
        """As Mirror's."""
        self._freshness.expect(kind, int(raw["metadata"]["resourceVersion"]))
        return super().remember(kind, raw)

    def complete(self, listing: Listing, list_version: str) -> None:
        """As Mirror's."""
        self._freshness.listed(listing.kind, listing.versions.values(), int(list_version))
        super().complete(listing, list_version)
