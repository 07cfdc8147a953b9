"""The definitions on a real API server: what it accepts, what it refuses and in which words, what kubectl shows.

The API server is one of the tests' own, without policies and operator, so that the definitions speak for themselves.
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.api import Api, Object, RefusedError
from tests.support.cluster import REPOSITORY, kubectl, unique, wait_for
from tests.support.eagle import Organization, manual_order, schedule
from tests.support.private_api_server import private_api_server

ACME = Organization(id="acme", namespace="org-acme", release="acme")
DIGEST = "sha256:" + "a" * 64
NOW = "2026-11-22T01:00:00Z"
TELEMETRY = {"table": "public.telemetry", "layout": "Wide", "timeColumn": "ts", "samplePeriodSeconds": 60}
SOURCE = {"connection": {"secretName": "scada"}, "telemetry": TELEMETRY, "continuousColumns": ["temp"]}
FAILURES = {"table": "public.failures", "timeColumn": "ts"}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kubeconfig of an API server that knows this tree's definitions and nothing else of Eagle."""
    with private_api_server(tmp_path_factory.mktemp("api")) as config:
        for file in sorted((REPOSITORY / "crds").glob("*.yaml")):
            kubectl("apply", "--server-side", "-f", str(file), config=config)
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s", config=config)
        kubectl("create", "namespace", ACME.namespace, config=config)
        yield config


@pytest.fixture(scope="module")
def api(config: Path) -> Iterator[Api]:
    with Api.administrator(config) as api:
        wait_for(lambda: _served(api), "the definitions to be served")
        yield api


def _served(api: Api) -> bool:
    try:
        api.create(a_schedule(), dryRun="All")
        api.create(an_order(), dryRun="All")
    except RefusedError as no:
        if no.code == 404:
            return False
        raise
    return True


def a_schedule(name: str = "press", **spec: Any) -> Object:
    return schedule(ACME, name, **spec)


def an_order(**spec: Any) -> Object:
    return manual_order(ACME, "press", **spec)


def refusal(api: Api, resource: Object) -> str:
    """What the API server says against it; fails when it says nothing."""
    with pytest.raises(RefusedError) as caught:
        api.create(resource, dryRun="All")
    assert caught.value.code == 422
    return caught.value.message


def source(**changes: Any) -> Object:
    return {"source": {**SOURCE, **changes}}


def telemetry(**changes: Any) -> Object:
    known = {**TELEMETRY, **changes}
    return source(telemetry={name: value for name, value in known.items() if value is not None})


def events(*tables: Object) -> Object:
    return source(events=[{"name": f"e{number}", "timeColumn": "ts", **table} for number, table in enumerate(tables)])


def label(**members: Any) -> Object:
    return {"label": members}


ACCEPTED: dict[str, Object] = {
    "the smallest": {},
    "cron": {"schedule": "*/15 0-6,22 1-31/2 JAN-MAR MON"},
    "weekly": {"schedule": "@weekly"},
    "blanks": {"schedule": " 0  2 * * 0 "},
    "zone": {"timeZone": "America/Argentina/Buenos_Aires"},
    "shortest times": {"timeoutSeconds": 60, "pendingTimeoutSeconds": 10, "startingDeadlineSeconds": 60},
    "longest times": {"timeoutSeconds": 86400, "pendingTimeoutSeconds": 86400, "startingDeadlineSeconds": 604800},
    "never retry": {"retry": {"delaysSeconds": []}},
    "ten retries": {"retry": {"delaysSeconds": [1] * 10}},
    "query": telemetry(table=None, query="SELECT * FROM t"),
    "long": telemetry(layout="Long", tagColumn="tag", valueColumn="value"),
    "mapping": source(columnMapping={"temp": "temperature"}),
    "events": events({"table": "t"}, {"query": "SELECT 1"}),
    "failures": label(failures=FAILURES, horizonSeconds=86400, recoverySeconds=0),
    "lags": {"features": {"lagSeconds": [60, 120]}},
    "managed": {"serving": {"mode": "Managed", "replicas": 0}},
    "existing": {"serving": {"mode": "Existing", "deploymentName": "mine"}},
    "none": {"serving": {"mode": "None"}},
    "pin": {"serving": {"pin": {"version": "press-29921820"}}},
    "bounds": {"promotion": {"minimums": [{"metric": "accuracy", "value": "-1.5e-3"}]}},
    "no regression": {"promotion": {"maxRegression": "0"}},
    "quantities": {"trainer": {"resources": {"limits": {"cpu": 2, "memory": "1.5Gi"}, "requests": {"cpu": "100m"}}}},
    "channels": {"notifications": {"channels": [{"name": "ops", "type": "Email", "secretName": "mail"}]}},
}

REFUSED: dict[str, tuple[Object, str]] = {
    "organization": ({"organizationId": "Acme"}, "spec.organizationId"),
    "no fields": ({"schedule": "0 2 * *"}, "must be five fields"),
    "six fields": ({"schedule": "0 0 2 * * 0"}, "must be five fields"),
    "every": ({"schedule": "@every 5m"}, "must be five fields"),
    "reboot": ({"schedule": "@reboot"}, "must be five fields"),
    "CRON_TZ": ({"schedule": "CRON_TZ=UTC 0 2 * * 0"}, "must not contain a time zone"),
    "TZ": ({"schedule": "TZ=UTC 0 2 * * 0"}, "must not contain a time zone"),
    "local": ({"timeZone": "Local"}, "must be an IANA name"),
    "zone": ({"timeZone": "Europe/Berlin; rm"}, "spec.timeZone"),
    "short": ({"timeoutSeconds": 59}, "greater than or equal to 60"),
    "long": ({"timeoutSeconds": 86401}, "less than or equal to 86400"),
    "pending": ({"pendingTimeoutSeconds": 9}, "greater than or equal to 10"),
    "deadline": ({"startingDeadlineSeconds": 59}, "greater than or equal to 60"),
    "policy": ({"concurrencyPolicy": "Allow"}, 'supported values: "Forbid", "Replace"'),
    "retries": ({"retry": {"delaysSeconds": [1] * 11}}, "must have at most 10 items"),
    "retry on": ({"retry": {"retryOn": ["TrainingFailed", "TrainingFailed"]}}, "Duplicate value"),
    "table and query": (telemetry(query="SELECT 1"), "must have exactly one of table and query"),
    "no table": (telemetry(table=None), "must have exactly one of table and query"),
    "wide tags": (telemetry(tagColumn="tag"), "must have tagColumn and valueColumn with layout Long"),
    "half long": (telemetry(layout="Long", tagColumn="tag"), "must have tagColumn and valueColumn with layout Long"),
    "layout": (telemetry(layout="Tall"), 'supported values: "Wide", "Long"'),
    "period": (telemetry(samplePeriodSeconds=0), "greater than or equal to 1"),
    "no columns": (source(continuousColumns=[]), "should have at least 1 items"),
    "twice": (source(continuousColumns=["temp", "temp"]), "Duplicate value"),
    "columns": (source(continuousColumns=[f"c{n}" for n in range(65)]), "must have at most 64 items"),
    "mapping": (source(columnMapping={"press": "pressure"}), "must map only columns that are named in continuous"),
    "sensor": (source(columnMapping={"temp": "hall temperature"}), "spec.source.columnMapping.temp"),
    "event tables": (events({"table": "t", "query": "SELECT 1"}), "must have exactly one of table and query"),
    "event names": (source(events=[{"name": "e", "table": "t", "timeColumn": "ts"}] * 2), "Duplicate value"),
    "no label": (label(), "must have exactly one of column and failures"),
    "two labels": (label(column="fault", failures=FAILURES, horizonSeconds=1), "must have exactly one of column"),
    "no horizon": (label(failures=FAILURES), "must have horizonSeconds with failures"),
    "horizon": (label(column="fault", horizonSeconds=60), "must have horizonSeconds with failures, and not with"),
    "recovery": (label(column="fault", recoverySeconds=60), "must not have recoverySeconds with column"),
    "failures": (label(failures={"timeColumn": "ts"}, horizonSeconds=1), "must have exactly one of table and query"),
    "lags": ({"features": {"lagSeconds": [60, 90]}}, "must be multiples of source.telemetry.samplePeriodSeconds"),
    "window": ({"features": {"rollingWindows": [1]}}, "greater than or equal to 2"),
    "model": ({"model": {"name": "Press Failure"}}, "spec.model.name"),
    "threshold": ({"model": {"name": "m", "thresholds": {"confidence": "1.1"}}}, "spec.model.thresholds.confidence"),
    "number": ({"model": {"name": "m", "thresholds": {"confidence": 0.7}}}, "must be of type string"),
    "bound": ({"promotion": {"minimums": [{"metric": "accuracy", "value": "high"}]}}, "promotion.minimums[0].value"),
    "bounds": ({"promotion": {"minimums": [{"metric": "accuracy", "value": "0"}] * 2}}, "Duplicate value"),
    "regression": ({"promotion": {"maxRegression": "-0.1"}}, "spec.promotion.maxRegression"),
    "existing": ({"serving": {"mode": "Existing"}}, "must have deploymentName with mode Existing"),
    "managed name": ({"serving": {"mode": "Managed", "deploymentName": "x"}}, "and not with another mode"),
    "name alone": ({"serving": {"deploymentName": "x"}}, "must have deploymentName with mode Existing"),
    "empty pin": ({"serving": {"pin": {"version": ""}}}, "spec.serving.pin.version"),
    "replicas": ({"serving": {"replicas": 101}}, "less than or equal to 100"),
    "quantity": ({"trainer": {"resources": {"limits": {"memory": "much"}}}}, "spec.trainer.resources.limits.memory"),
    "channel": ({"notifications": {"channels": [{"name": "x", "type": "Fax", "secretName": "s"}]}}, "supported values"),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_schedule_may_say(api: Api, name: str) -> None:
    spec = ACCEPTED[name]
    stored = api.create(a_schedule(**spec), dryRun="All")["spec"]
    assert {key: stored[key] for key in spec} == spec


@pytest.mark.parametrize("name", REFUSED)
def test_a_schedule_may_not_say(api: Api, name: str) -> None:
    spec, told = REFUSED[name]
    assert told in refusal(api, a_schedule(**spec))


@pytest.mark.parametrize("part", ["organizationId", "source", "label", "model"])
def test_a_schedule_must_say(api: Api, part: str) -> None:
    resource = a_schedule()
    del resource["spec"][part]
    assert f"spec.{part}: Required value" in refusal(api, resource)


def test_a_misspelt_field_is_told_to_who_asks_for_it(api: Api) -> None:
    with pytest.raises(RefusedError, match=r'unknown field "spec\.shcedule"'):
        api.create(a_schedule(shcedule="@daily"), dryRun="All", fieldValidation="Strict")


@pytest.mark.parametrize("name", ["press", "a", "p" * 39, "press-1234567", "press-line-2", "retry-1"])
def test_a_schedule_may_be_named(api: Api, name: str) -> None:
    api.create(a_schedule(name), dryRun="All")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("p" * 40, "must be at most 39 characters"),
        ("1press", "must be at most 39 characters of a-z, 0-9 and '-', beginning with a letter"),
        ("press.line", "must be at most 39 characters of a-z, 0-9 and '-'"),
        ("press-12345678", "must not end in '-' and eight or more digits"),
        ("press-retry-1", "must not end in '-' and eight or more digits or in '-retry-'"),
    ],
)
def test_a_schedule_may_not_be_named(api: Api, name: str, told: str) -> None:
    assert told in refusal(api, a_schedule(name))


def test_an_organization_does_not_change(api: Api) -> None:
    made = api.create(a_schedule(unique("press")))
    with pytest.raises(RefusedError, match="must not change; delete the schedule and make it anew"):
        api.merge(made, {"spec": {"organizationId": "globex"}})
    assert api.merge(made, {"spec": {"description": "changed"}})["spec"]["description"] == "changed"


# --- orders


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"modelName": "trial", "description": "d", "dataRangeDays": 30, "parameters": {"num_leaves": "7"}},
        {"trigger": "Schedule", "scheduledTime": NOW},
        {"trigger": "Drift"},
        {"trigger": "Import", "artifact": {"uri": "s3://x/", "digest": DIGEST}},
        {"cancellation": {"reason": "wrong data"}},
        {"approval": {"decision": "Approved"}},
    ],
    ids=["smallest", "overrides", "slot", "drift", "import", "cancelled", "approved"],
)
def test_an_order_may_say(api: Api, spec: Object) -> None:
    api.create(an_order(**spec), dryRun="All")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"trigger": "Schedule"}, "must have scheduledTime with trigger Schedule"),
        ({"scheduledTime": NOW}, "must have scheduledTime with trigger Schedule, and not with another trigger"),
        ({"trigger": "Import"}, "must have artifact with trigger Import"),
        ({"artifact": {"uri": "s3://x/", "digest": DIGEST}}, "must have artifact with trigger Import, and not with"),
        ({"trigger": "Now"}, "supported values"),
        ({"dataRangeDays": 0}, "greater than or equal to 1"),
        ({"modelName": "Press Failure"}, "spec.modelName"),
        ({"approval": {"decision": "Maybe"}}, "supported values"),
        ({"approval": {}}, "spec.approval.decision: Required value"),
        ({"parameters": {f"p{n}": "1" for n in range(49)}}, "must have at most 48 items"),
        ({"trigger": "Schedule", "scheduledTime": "tomorrow"}, "must be of type date-time"),
        ({"trigger": "Schedule", "scheduledTime": "2026-11-22T01:00:00"}, "must be of type date-time"),
    ],
)
def test_an_order_may_not_say(api: Api, spec: Object, told: str) -> None:
    assert told in refusal(api, an_order(**spec))


@pytest.mark.parametrize(
    ("name", "trigger", "told"),
    [
        ("press-m-" + "x" * 41, "Manual", "must be at most 48 characters without dots"),
        ("press-m-1.2", "Manual", "must be at most 48 characters without dots"),
        ("other-m-1", "Manual", "must begin with spec.scheduleName and '-'"),
        ("press-1", "Manual", "of a manual run must begin with spec.scheduleName and '-m-'"),
        ("press-m-1-retry-2", "Manual", "must not end in '-retry-' and a number"),
        ("other-29921820", "Schedule", "must begin with spec.scheduleName and '-'"),
    ],
)
def test_an_order_may_not_be_named(api: Api, name: str, trigger: str, told: str) -> None:
    resource = an_order(trigger=trigger, **({"scheduledTime": NOW} if trigger == "Schedule" else {}))
    resource["metadata"]["name"] = name
    assert told in refusal(api, resource)


def test_the_longest_name_of_a_slot_fits(api: Api) -> None:
    resource = manual_order(ACME, "p" * 39, trigger="Schedule", scheduledTime=NOW)
    resource["metadata"]["name"] = "p" * 39 + "-29921820"
    api.create(resource, dryRun="All")


CHANGES: dict[str, Object] = {
    "scheduleName": {"scheduleName": "other"},
    "trigger": {"trigger": "Drift"},
    "modelName": {"modelName": "x"},
    "description": {"description": None},
    "dataRangeDays": {"dataRangeDays": 7},
    "parameters": {"parameters": {"num_leaves": "9"}},
    "one parameter": {"parameters": {"max_depth": "3"}},
    "requestedBy": {"requestedBy": "mallory"},
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_order_does_not_change(api: Api, name: str) -> None:
    made = api.create(an_order(description="d", parameters={"num_leaves": "7"}, requestedBy="alice"))
    with pytest.raises(RefusedError, match=r"must (not change|begin)"):
        api.merge(made, {"spec": CHANGES[name]})


def test_a_cancellation_is_for_good(api: Api) -> None:
    made = api.create(an_order())
    cancelled = api.merge(made, {"spec": {"cancellation": {"reason": "wrong data"}}})
    for change in ({"cancellation": None}, {"cancellation": {"reason": "other"}}):
        with pytest.raises(RefusedError, match="must not be taken back or changed"):
            api.merge(cancelled, {"spec": change})


def test_an_approval_may_change_and_not_vanish(api: Api) -> None:
    made = api.create(an_order())
    for decision in ("Approved", "Rejected", "Approved"):
        after = api.merge(made, {"spec": {"approval": {"decision": decision}}})
        assert after["spec"]["approval"]["decision"] == decision
    with pytest.raises(RefusedError, match="must not be removed; set decision to Approved or Rejected"):
        api.merge(made, {"spec": {"approval": None}})


# --- status


def condition(kind: str, **changes: Any) -> Object:
    return {"type": kind, "status": "True", "reason": "Good", "lastTransitionTime": NOW, "message": "", **changes}


def version_status() -> Object:
    return {
        "state": "Running",
        "conditions": [condition("Admitted"), condition("Trained", status="Unknown", reason="Running")],
        "attempts": [{"number": 1, "jobName": "press-m-1", "podUID": "u", "startTime": NOW}],
        "reporterUID": "u",
    }


def applied(resource: Object, **status: Any) -> Object:
    """What a server-side apply of that status says."""
    return {**{key: resource[key] for key in ("apiVersion", "kind")}, "metadata": _who(resource), "status": status}


def _who(resource: Object) -> Object:
    return {key: resource["metadata"][key] for key in ("name", "namespace")}


def test_what_is_applied_again_changes_nothing(api: Api) -> None:
    made = api.create(an_order())
    first = api.apply(applied(made, **version_status()), "eagle-operator", "status", force="true")
    second = api.apply(applied(made, **version_status()), "eagle-operator", "status", force="true")
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_the_trainers_result_and_the_operators_status_live_side_by_side(api: Api) -> None:
    made = api.create(an_order())
    api.apply(applied(made, **version_status()), "eagle-operator", "status")
    progress = {"step": "fit", "percent": 40, "updatedTime": NOW}
    api.apply(applied(made, progress=progress), "eagle-trainer", "status")
    ended = {**version_status(), "state": "Succeeded"}
    del ended["reporterUID"]
    status = api.apply(applied(made, **ended), "eagle-operator", "status")["status"]
    assert (status["state"], status["progress"], "reporterUID" in status) == ("Succeeded", progress, False)


def test_spec_and_status_do_not_reach_into_each_other(api: Api) -> None:
    made = api.create({**an_order(), "status": {"state": "Succeeded"}})
    assert "status" not in made
    api.apply(applied(made, **version_status()), "eagle-operator", "status")
    after = api.merge(made, {"spec": {"approval": {"decision": "Approved"}}, "status": {"state": "Failed"}})
    assert (after["status"]["state"], after["metadata"]["generation"]) == ("Running", 2)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"state": "Sleeping"}, "supported values"),
        ({"conditions": [condition("Admitted"), condition("Admitted")]}, "Duplicate value"),
        ({"conditions": [condition("Admitted", reason="")]}, "reason"),
        ({"conditions": [condition("Admitted", reason="not camel case")]}, "reason"),
        ({"conditions": [condition("Admitted", message="x" * 2049)]}, "Too long"),
        ({"conditions": [condition("Admitted", observedGeneration=-1)]}, "greater than or equal to 0"),
        ({"attempts": [{"number": n, "jobName": "j"} for n in range(1, 13)]}, "must have at most 11 items"),
        ({"progress": {"step": "fit", "percent": 101, "updatedTime": NOW}}, "less than or equal to 100"),
    ],
)
def test_a_status_may_not_say(api: Api, status: Object, told: str) -> None:
    made = api.create(an_order())
    with pytest.raises(RefusedError) as caught:
        api.merge(made, {"status": status}, "status")
    assert told in caught.value.message


# --- what people see


def test_examples_are_accepted(api: Api) -> None:
    seen = 0
    for file in sorted((REPOSITORY / "examples").rglob("*.yaml")):
        for resource in yaml.safe_load_all(file.read_text()):
            if resource and resource.get("kind") in ("TrainingSchedule", "ModelVersion"):
                placed = copy.deepcopy(resource)
                placed["metadata"]["namespace"] = ACME.namespace
                placed["metadata"].setdefault("name", f"{placed['spec'].get('scheduleName')}-m-example")
                api.create(placed, dryRun="All", fieldValidation="Strict")
                seen += 1
    assert seen or not list((REPOSITORY / "examples").rglob("*.yaml"))


@pytest.fixture
def shown(api: Api, config: Path) -> Iterator[Object]:
    """A version that serves, in a namespace of its own."""
    namespace = unique("org-shown")
    kubectl("create", "namespace", namespace, config=config)
    place = Organization(id="acme", namespace=namespace, release="x")
    made = api.create(schedule(place, "press"))
    served = {
        "name": "press-m-1", "version": "v1", "digest": DIGEST, "uri": "s3://x/", "modelName": "m",
        "accuracy": "0.98", "since": NOW,
    }  # fmt: skip
    effective = {"schedule": "0 2 * * 0", "timeZone": "Etc/UTC", "suspend": True}
    ready = condition("Ready", status="False", reason="InvalidSchedule", message="a sentence")
    status = {"effective": effective, "activeVersion": served, "nextScheduleTime": NOW, "conditions": [ready]}
    api.apply(applied(made, **status), "eagle-operator", "status")
    order = manual_order(place, "press")
    order["metadata"]["name"] = "press-m-1"
    api.create(order)
    conditions = [condition("Serving", reason="Promoted"), condition("Validated", reason="AllChecksPassed")]
    api.apply(applied(order, state="Succeeded", version="v1", conditions=conditions), "eagle-operator", "status")
    yield order
    kubectl("delete", "namespace", namespace, "--wait=false", config=config)


def table(config: Path, *arguments: str) -> list[dict[str, str]]:
    """What kubectl prints, as rows by column."""
    lines = kubectl("get", *arguments, config=config).splitlines()
    starts = [lines[0].index(name) for name in _headings(lines[0])]
    ends = [*starts[1:], None]
    cells = [[line[start:end].strip() for start, end in zip(starts, ends, strict=True)] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]


def _headings(line: str) -> list[str]:
    return [name.strip() for name in line.split("  ") if name.strip()]


def test_kubectl_shows_schedules_by_their_short_name(shown: Object, config: Path) -> None:
    (row,) = table(config, "ts", "-n", shown["metadata"]["namespace"])
    del row["AGE"]
    assert row == {
        "NAME": "press", "SCHEDULE": "0 2 * * 0", "TIME ZONE": "Etc/UTC", "SUSPEND": "true", "ACTIVE VERSION": "v1",
        "ACCURACY": "0.98", "LAST SUCCESS": "", "NEXT": NOW, "READY": "False",
    }  # fmt: skip


def test_kubectl_shows_more_on_wide(shown: Object, config: Path) -> None:
    (row,) = table(config, "ts", "-n", shown["metadata"]["namespace"], "-o", "wide")
    assert row["MESSAGE"] == "a sentence"


def test_kubectl_shows_versions_by_their_short_name(shown: Object, config: Path) -> None:
    (row,) = table(config, "mv", "-n", shown["metadata"]["namespace"])
    del row["AGE"]
    assert row == {
        "NAME": "press-m-1", "SCHEDULE": "press", "TRIGGER": "Manual", "STATE": "Succeeded", "VERSION": "v1",
        "ACCURACY": "", "VALIDATED": "AllChecksPassed", "SERVING": "Promoted",
    }  # fmt: skip


def test_one_category_holds_both(shown: Object, config: Path) -> None:
    found = json.loads(kubectl("get", "eagle", "-n", shown["metadata"]["namespace"], "-o", "json", config=config))
    assert {item["kind"] for item in found["items"]} == {"TrainingSchedule", "ModelVersion"}


@pytest.mark.parametrize(
    ("selector", "count"),
    [
        ("spec.scheduleName=press", 1),
        ("spec.scheduleName=other", 0),
        ("spec.trigger=Manual", 1),
        ("status.state=Succeeded", 1),
        ("status.state=Running", 0),
        ("spec.scheduleName=press,status.state!=Failed", 1),
    ],
)
def test_versions_are_selected_by_the_server(shown: Object, config: Path, selector: str, count: int) -> None:
    place = shown["metadata"]["namespace"]
    names = kubectl("get", "mv", "-n", place, "--field-selector", selector, "-o", "name", config=config).split()
    assert len(names) == count


def test_every_field_is_explained(config: Path) -> None:
    for path in ("ts.spec.promotion.maxRegression", "mv.spec.approval", "mv.status.result.schemaDigest"):
        assert "DESCRIPTION" in kubectl("explain", path, config=config)
