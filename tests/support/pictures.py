"""What a run has come to, without the names and times in which two runs differ: pictures that can be compared."""

from collections import Counter
from typing import Any

from tests.support.api import Api, Object
from tests.support.eagle import API
from tests.support.runs import version_of
from tests.support.watching import Watch

from eagle_contract.api import names

Picture = dict[str, Any]


def picture(api: Api, jobs: Watch, pods: Watch, namespace: str, schedule: str) -> Picture:
    """All that counts of a schedule: how often each thing was made, how it ended, what is said of it."""
    found = api.get(_named("TrainingSchedule", API, namespace, schedule))
    versions = api.call("GET", f"/apis/{API}/namespaces/{namespace}/{names.VERSIONS}")["items"]
    short = {version["metadata"]["name"]: f"V{n}" for n, version in enumerate(_oldest_first(versions), start=1)}
    status = found.get("status", {})
    active = status.get("activeVersion", {})
    return {
        "schedule": _conditions(status),
        "active": short.get(active.get("name")),
        "served": [(short.get(s["name"]), s["reason"]) for s in status.get("servingHistory", [])],
        "versions": [_version(version, short) for version in _oldest_first(versions)],
        "jobs made": _made(jobs, namespace, lambda job: _shortened(job["metadata"]["name"], short)),
        "pods made": _made(pods, namespace, lambda pod: _shortened(_job_of(pod), short)),
        "events": _events(api, namespace, short),
        "deployments": [_serves(each, active) for each in _list(api, "apis/apps/v1", namespace, "deployments")],
        "unrecorded": [job["metadata"]["name"] for job in jobs.objects(namespace) if not _recorded(job)],
    }


def _oldest_first(versions: list[Object]) -> list[Object]:
    return sorted(versions, key=lambda version: (version["metadata"]["creationTimestamp"], version["metadata"]["name"]))


def _version(version: Object, short: dict[str, str]) -> Picture:
    status = version.get("status", {})
    attempts = [(a["number"], _shortened(a["jobName"], short), a.get("reason")) for a in status.get("attempts", [])]
    return {
        "state": status.get("state"),
        "conditions": _conditions(status),
        "attempts": attempts,
        "retries": status.get("retriesUsed"),
        "reported by the last attempt's pod": status.get("result", {}).get("podUID") == _last_pod(status),
        "owned": bool(version["metadata"].get("ownerReferences")),
    }


def _last_pod(status: Object) -> str | None:
    attempts = status.get("attempts", [])
    return attempts[-1].get("podUID") if attempts else None


def _conditions(status: Object) -> list[tuple[str, str, str]]:
    return sorted((c["type"], c["status"], c["reason"]) for c in status.get("conditions", []))


def _made(watch: Watch, namespace: str, name: Any) -> dict[str, int]:
    """How many objects of a name were ever made; those of another kind of pod have none."""
    uids = {change.object["metadata"]["uid"]: name(change.object) for change in watch.of(namespace)}
    return dict(sorted(Counter(named for named in uids.values() if named).items()))


def _job_of(pod: Object) -> str:
    return str(pod["metadata"].get("labels", {}).get(names.JOB_NAME_LABEL, "")) if version_of(pod) else ""


def _shortened(name: str, short: dict[str, str]) -> str:
    for known, instead in short.items():
        if name == known or name.startswith(f"{known}-retry-"):
            return instead + name.removeprefix(known)
    return name


def _events(api: Api, namespace: str, short: dict[str, str]) -> list[tuple[str, str, int]]:
    ours = [event for event in _list(api, "api/v1", namespace, "events") if _is_ours(event)]
    told = Counter((_shortened(event["involvedObject"]["name"], short), event["reason"]) for event in ours)
    return sorted((name, reason, count) for (name, reason), count in told.items())


def _is_ours(event: Object) -> bool:
    return bool(event.get("source", {}).get("component") == names.OPERATOR_MANAGER)


def _serves(deployment: Object, active: Object) -> bool:
    """Whether its pods are told to serve what the schedule's status says."""
    return bool(active) and str(active.get("version")) in str(deployment["spec"]["template"])


def _recorded(job: Object) -> bool:
    return names.RECORDED_LABEL in job["metadata"].get("labels", {})


def _list(api: Api, group: str, namespace: str, plural: str) -> list[Object]:
    return list(api.call("GET", f"/{group}/namespaces/{namespace}/{plural}")["items"])


def _named(kind: str, api_version: str, namespace: str, name: str) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"namespace": namespace, "name": name}}
