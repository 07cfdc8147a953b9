"""`eagle-train sweep`: takes away the organization's bundles that nothing refers to any more.

A model that was deleted by mistake is trained again at best, so everything is kept that there is any doubt about: what
is young, what an object of the namespace names anywhere, what a run under way may publish again, and all of a schedule
that has not been looked at by the operator, as after a backup was restored.

The store is listed first, then the versions, then the schedules. So what is published meanwhile is not seen, what is
reported meanwhile is referred to, and the versions of a schedule that is deleted meanwhile are not taken for pruned.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from eagle_contract.api import names
from eagle_contract.bundle import BundleError, ObjectStore, StoreUnavailable, open_store
from eagle_contract.bundle.sweeping import StoredBundle, folders_in, read_manifest, remove, stored_bundles
from eagle_trainer.errors import InvalidConfiguration, StoreFailed, TrainingEnded
from eagle_trainer.logs import say

Object = Mapping[str, Any]
"""A Kubernetes object in its JSON form."""
Lists = Callable[[str, str, str], Iterable[Object]]
"""All objects of a kind in the organization's namespace, by group, version and plural."""

_ENDED = ("Succeeded", "Failed", "Cancelled")
_PAGE = 200


@dataclass(frozen=True, kw_only=True)
class Referred:
    """What the organization's namespace knows of bundles."""

    folders: frozenset[str]
    """The folders of bundles that some object names."""
    schedules: frozenset[str]
    """UIDs of the schedules that are there."""
    unsettled: frozenset[str]
    """UIDs of schedules of which not everything is known."""
    all_settled: bool
    under_way: frozenset[str]
    """How the labels begin that runs under way will have."""


def run(
    environment: Mapping[str, str] = os.environ, *, dry_run: bool = False, minimum_age: timedelta = timedelta(days=1)
) -> None:
    """Sweep in the organization's namespace. Raises TrainingEnded in one of its kinds; what is removed by then is."""
    namespace, organization, url = (_value(environment, name) for name in _VARIABLES)
    config.load_incluster_config()  # type: ignore[no-untyped-call]
    lists = cluster_lists(client.ApiClient(), namespace)
    try:
        store = open_store(url, environment)
        sweep(store, organization, lists, now=datetime.now(UTC), minimum_age=minimum_age, dry_run=dry_run)
    except (BundleError, StoreUnavailable) as error:
        raise StoreFailed(str(error)) from error


_VARIABLES = ("EAGLE_NAMESPACE", "EAGLE_ORGANIZATION", "EAGLE_STORE_URL")


def sweep(
    store: ObjectStore, organization: str, lists: Lists, *, now: datetime, minimum_age: timedelta, dry_run: bool
) -> None:
    """Removes what is not needed, and says what and how much. Raises TrainingEnded, BundleError, StoreUnavailable."""
    bundles = sorted(stored_bundles(store, organization), key=lambda bundle: bundle.identity.schedule_uid)
    referred = referred_by(lists)
    kept: Counter[str] = Counter()
    removed = freed = 0
    for uid, of_schedule in groupby(bundles, key=lambda bundle: bundle.identity.schedule_uid):
        siblings = list(of_schedule)
        for_all, why = _keeps_all(store, uid, siblings, referred)
        if for_all:
            say("info", f"kept: {why}", scheduleUID=uid, bundles=len(siblings))
        for bundle in siblings:
            reason = _keeps(bundle, referred, now - minimum_age) or for_all
            if reason:
                kept[reason] += 1
                continue
            if not dry_run:
                remove(store, bundle)
            removed, freed = removed + 1, freed + bundle.size_bytes
            done = "would be removed" if dry_run else "removed"
            say("info", done, uri=f"{store.url}/{bundle.folder}/", bytes=bundle.size_bytes)
    total = {"kept": kept.total(), "removed": removed, "bytes": freed}
    say("info", "dry run" if dry_run else "swept", **total, keptBecause=dict(sorted(kept.items())))


def referred_by(lists: Lists) -> Referred:
    """What the namespace refers to. Raises TrainingEnded when it cannot be listed."""
    folders: set[str] = set()
    under_way: set[str] = set()
    without_state: set[str] = set()
    for version in lists(names.GROUP, names.API_VERSION, names.VERSIONS):
        folders |= _folders(version)
        state = version.get("status", {}).get("state")
        if state is None:
            without_state.add(version["spec"]["scheduleName"])
        if state not in _ENDED:
            under_way.add(_label_begins(version))
    schedules: set[str] = set()
    unsettled: set[str] = set()
    for schedule in lists(names.GROUP, names.API_VERSION, names.SCHEDULES):
        folders |= _folders(schedule)
        metadata = schedule["metadata"]
        schedules.add(metadata["uid"])
        not_seen = "observedGeneration" not in schedule.get("status", {}) or "deletionTimestamp" in metadata
        if not_seen or metadata["name"] in without_state:
            unsettled.add(metadata["uid"])
    for deployment in lists("apps", "v1", "deployments"):
        folders |= _folders(deployment)
    return Referred(
        folders=frozenset(folders),
        schedules=frozenset(schedules),
        unsettled=frozenset(unsettled),
        all_settled=not (unsettled or without_state),
        under_way=frozenset(under_way),
    )


def cluster_lists(api_client: client.ApiClient, namespace: str) -> Lists:
    """Lists of a namespace's objects, read page by page. They raise TrainingEnded."""
    api = client.CustomObjectsApi(api_client)

    def lists(group: str, version: str, plural: str) -> Iterator[Object]:
        position = None
        while True:
            more: dict[str, Any] = {"_continue": position} if position else {}
            try:
                page: Any = api.list_namespaced_custom_object(
                    group, version, namespace, plural, limit=_PAGE, _request_timeout=60, **more
                )
            except (ApiException, HTTPError) as error:
                told = f"{error.status} {error.reason}" if isinstance(error, ApiException) else repr(error)[:400]
                raise TrainingEnded(f"cannot list {plural} in {namespace} ({told}); nothing was removed") from error
            yield from page["items"]
            position = page["metadata"].get("continue")
            if not position:
                return

    return lists


def _value(environment: Mapping[str, str], name: str) -> str:
    found = environment.get(name, "")
    if not found:
        raise InvalidConfiguration(f"{name} is not set; `sweep` is for the CronJob of the chart eagle-organization")
    return found


def _keeps(bundle: StoredBundle, referred: Referred, young_since: datetime) -> str:
    """Why this very bundle stays; '' if nothing speaks for it."""
    if bundle.folder in referred.folders:
        return "referred to"
    if bundle.modified > young_since:
        return "young"
    if bundle.identity.version.rpartition("_")[0] in referred.under_way:
        return "run under way"
    return ""


def _keeps_all(store: ObjectStore, uid: str, bundles: list[StoredBundle], referred: Referred) -> tuple[str, str]:
    """Why everything of a schedule stays, in short and as a sentence; '' if it may go."""
    if uid in referred.schedules:
        unsettled = uid in referred.unsettled
        return (
            ("unsettled", "the operator has still to look at the schedule and its versions") if unsettled else ("", "")
        )
    if not referred.all_settled:
        return (
            "unsettled",
            "the schedule is gone, and the operator has still to look at others: perhaps a backup came back",
        )
    if any(f"/{uid}/" in folder for folder in referred.folders):
        return "restored", "the schedule is gone, and yet something refers to its bundles: perhaps a backup came back"
    policy, why = _deletion_policy(store, bundles)
    return ("" if policy == "Delete" else "retained"), why


def _deletion_policy(store: ObjectStore, bundles: list[StoredBundle]) -> tuple[str, str]:
    """What is to become of the bundles of a schedule that is gone, by its newest manifest; and a sentence on it."""
    newest = next((bundle for bundle in reversed(bundles) if bundle.has_manifest), bundles[-1])
    try:
        spec = read_manifest(store, newest).schedule_spec
    except BundleError as error:
        return "Retain", f"the schedule is gone, and its deletionPolicy cannot be read: {error}"
    policy = str(spec.get("deletionPolicy", "Retain"))
    return policy, f"the schedule is gone, and its deletionPolicy was {policy}"


def _folders(resource: Object) -> set[str]:
    return set(folders_in(json.dumps(resource)))


def _label_begins(version: Object) -> str:
    """The part of a run's version label that is known before there is a model."""
    moment = version["spec"].get("scheduledTime") or version["metadata"]["creationTimestamp"]
    return names.version_label(datetime.fromisoformat(moment), "0" * 64).rpartition("_")[0]
