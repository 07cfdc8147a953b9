"""The sweep takes away what nothing refers to any more, and keeps what there is any doubt about."""

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from kubernetes import client
from tests.support.bundles import contents, organization_keys

from eagle_contract.api import TrainerExit, names
from eagle_contract.bundle import BundleIdentity, ObjectStore, PublishedArtifact, open_store, publish
from eagle_contract.bundle.sweeping import stored_bundles
from eagle_trainer import sweep as sweeping
from eagle_trainer.errors import InvalidConfiguration, TrainingEnded

NOW = datetime(2026, 11, 27, 3, 30, tzinfo=UTC)
DAY = timedelta(days=1)
KEYS = organization_keys()
UID, GONE = "5ced71e5-0001", "5ced71e5-0002"
Object = dict[str, Any]


@dataclass(frozen=True)
class Vault:
    """The organization's place in a store that is a folder."""

    folder: Path
    store: ObjectStore

    def publish(self, week: int, uid: str = UID, *, age: timedelta = 3 * DAY, policy: str | None = None) -> str:
        """A bundle of that week's run, written so long ago; its address."""
        identity = BundleIdentity("acme", uid, label(week))
        spec = {"schedule": "@weekly", **({"deletionPolicy": policy} if policy else {})}
        plain = contents(identity=identity, model=b"onnx %d" % week)
        content = replace(plain, manifest=plain.manifest.model_copy(update={"schedule_spec": spec}))
        artifact: PublishedArtifact = publish(
            self.store, self.store.url, identity, content, keyring=KEYS.keyring, signer=KEYS.signer
        )
        moment = (NOW - age).timestamp()
        for file in self.file(artifact.uri).iterdir():
            os.utime(file, (moment, moment))
        return artifact.uri

    def file(self, uri: str, name: str = "") -> Path:
        return self.folder / self.store.relative(uri) / name

    @property
    def left(self) -> list[str]:
        """The addresses of the bundles that are there, the oldest run's first."""
        return [f"{self.store.url}/{bundle.folder}/" for bundle in stored_bundles(self.store, "acme")]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    folder = tmp_path / "store"
    return Vault(folder, open_store(folder.as_uri(), {}))


def moment(week: int) -> datetime:
    return datetime(2026, 1, 4, 2, 0, tzinfo=UTC) + timedelta(weeks=week)


def label(week: int) -> str:
    return names.version_label(moment(week), f"{week:064x}"[::-1])


def version(week: int, *, state: str | None = "Succeeded", uri: str | None = None) -> Object:
    """A ModelVersion of that week's slot."""
    status: Object = {"state": state} if state else {}
    if uri:
        status["result"] = {"artifact": {"uri": uri}}
    return {
        "metadata": {"name": f"press-{week}", "creationTimestamp": "2026-11-01T00:00:00Z"},
        "spec": {"scheduleName": "press", "scheduledTime": f"{moment(week):%Y-%m-%dT%H:%M:%SZ}"},
        "status": status,
    }


def schedule(uid: str = UID, *, name: str = "press", **status: object) -> Object:
    """A schedule that the operator has looked at."""
    return {"metadata": {"name": name, "uid": uid}, "status": {"observedGeneration": 1, **status}}


def served(uri: str) -> Object:
    return {"name": "press-1", "version": label(1), "uri": uri}


def deployment(uri: str) -> Object:
    """A Deployment whose server is told to serve that bundle."""
    models = json.dumps([{"name": "press-failure", "version": label(1), "uri": uri, "digest": "sha256:…"}])
    container = {"name": "server", "env": [{"name": "EAGLE_MODELS", "value": models}]}
    return {"metadata": {"name": "press-serving"}, "spec": {"template": {"spec": {"containers": [container]}}}}


def namespace(
    versions: Iterable[Object] = (), schedules: Iterable[Object] = (), deployments: Iterable[Object] = ()
) -> sweeping.Lists:
    """What the API server lists."""
    kinds = {
        (names.GROUP, names.API_VERSION, names.VERSIONS): versions,
        (names.GROUP, names.API_VERSION, names.SCHEDULES): schedules,
        ("apps", "v1", "deployments"): deployments,
    }
    return lambda *kind: kinds[kind]


@pytest.fixture
def swept(vault: Vault, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[Object]]:
    """Sweeps, and returns what it said; the last line is its sum."""

    def swept(lists: sweeping.Lists, *, age: timedelta = DAY, dry_run: bool = False) -> list[Object]:
        sweeping.sweep(vault.store, "acme", lists, now=NOW, minimum_age=age, dry_run=dry_run)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return swept


Swept = Callable[..., list[Object]]


# --- a schedule that is there


def test_a_bundle_goes_when_its_version_is_gone_and_the_others_stay(vault: Vault, swept: Swept) -> None:
    pruned, kept = vault.publish(1), vault.publish(2)
    size = sum(file.stat().st_size for file in vault.file(pruned).iterdir())
    said = swept(namespace([version(2, uri=kept)], [schedule()]))
    assert vault.left == [kept]
    assert [line["uri"] for line in said[:-1]] == [pruned]
    total = said[-1]
    assert (total["message"], total["kept"], total["removed"], total["bytes"]) == ("swept", 1, 1, size)
    assert total["keptBecause"] == {"referred to": 1}


def test_what_serves_or_served_last_stays_without_its_version(vault: Vault, swept: Swept) -> None:
    active, previous, other = vault.publish(1), vault.publish(2), vault.publish(3)
    swept(namespace([], [schedule(activeVersion=served(active), previousVersion=served(previous))]))
    assert vault.left == [active, previous]
    assert other not in vault.left


def test_what_a_deployment_is_told_to_serve_stays(vault: Vault, swept: Swept) -> None:
    rolled_out, other = vault.publish(1), vault.publish(2)
    swept(namespace([], [schedule()], [deployment(rolled_out)]))
    assert vault.left == [rolled_out]
    assert other not in vault.left


def test_what_an_order_is_to_take_over_stays(vault: Vault, swept: Swept) -> None:
    imported = vault.publish(1)
    order = version(2, state="Failed")
    order["spec"]["artifact"] = {"uri": imported.rstrip("/"), "digest": "sha256:…"}
    swept(namespace([order], [schedule()]))
    assert vault.left == [imported]


def test_what_is_younger_than_a_day_stays(vault: Vault, swept: Swept) -> None:
    young, old = vault.publish(1, age=timedelta(hours=23)), vault.publish(2, age=timedelta(hours=25))
    os.utime(vault.file(old, "model.onnx.enc"), (NOW.timestamp() - 1, NOW.timestamp() - 1))
    assert swept(namespace([], [schedule()]))[-1]["keptBecause"] == {"young": 2}
    swept(namespace([], [schedule()]), age=timedelta(hours=24 - 1))
    assert vault.left == [old]
    swept(namespace([], [schedule()]), age=timedelta())
    assert vault.left == []
    assert young not in vault.left


@pytest.mark.parametrize("state", ["Queued", "Running", "WaitingToRetry"])
def test_what_a_run_under_way_may_publish_again_stays(vault: Vault, swept: Swept, state: str) -> None:
    attempted, other = vault.publish(1), vault.publish(2)
    swept(namespace([version(1, state=state)], [schedule()]))
    assert vault.left == [attempted]
    assert other not in vault.left


def test_so_does_that_of_an_ordered_run_whose_time_is_its_creation(vault: Vault, swept: Swept) -> None:
    attempted = vault.publish(1)
    order = version(9, state="Running")
    del order["spec"]["scheduledTime"]
    order["metadata"]["creationTimestamp"] = f"{moment(1):%Y-%m-%dT%H:%M:%SZ}"
    swept(namespace([order], [schedule()]))
    assert vault.left == [attempted]


def test_a_run_that_failed_after_it_published_leaves_nothing(vault: Vault, swept: Swept) -> None:
    vault.publish(1)
    swept(namespace([version(1, state="Failed")], [schedule()]))
    assert vault.left == []


# --- doubt


def test_a_version_without_a_state_keeps_everything_of_its_schedule(vault: Vault, swept: Swept) -> None:
    restored = vault.publish(1)
    other = vault.publish(1, "0ther-0003")
    schedules = [schedule(), schedule("0ther-0003", name="pump")]
    said = swept(namespace([version(9, state=None)], schedules))
    assert vault.left == [restored]
    assert other not in vault.left
    assert said[-1]["keptBecause"] == {"unsettled": 1}


def test_a_schedule_that_the_operator_has_not_seen_or_that_is_going_keeps_everything(
    vault: Vault, swept: Swept
) -> None:
    bundle = vault.publish(1)
    unseen, going = schedule(), schedule()
    unseen["status"] = {}
    going["metadata"]["deletionTimestamp"] = "2026-11-27T03:00:00Z"
    for one in (unseen, going):
        swept(namespace([], [one]))
        assert vault.left == [bundle]


def test_nothing_goes_when_the_namespace_cannot_be_listed(vault: Vault, swept: Swept) -> None:
    bundle = vault.publish(1)
    for failing in range(3):
        lists = namespace([], [schedule()])
        calls = iter(range(3))

        def fails(*kind: str, at: int = failing, calls: Iterator[int] = calls, lists: sweeping.Lists = lists) -> Any:
            if next(calls) == at:
                raise TrainingEnded("cannot list")
            return lists(*kind)

        with pytest.raises(TrainingEnded):
            swept(fails)
        assert vault.left == [bundle]


def test_versions_are_listed_before_schedules_so_that_a_deletion_meanwhile_prunes_nothing(
    vault: Vault, swept: Swept
) -> None:
    bundle = vault.publish(1)
    state = {"versions": [version(1, uri=bundle)], "schedules": [schedule()]}

    def lists(group: str, number: str, plural: str) -> list[Object]:
        listed = {names.VERSIONS: state["versions"], names.SCHEDULES: state["schedules"]}.get(plural, [])
        state.update(versions=[], schedules=[])
        return listed

    swept(lists)
    assert vault.left == [bundle]


# --- a schedule that is gone


def test_the_newest_manifest_says_what_becomes_of_the_bundles_of_a_schedule_that_is_gone(
    vault: Vault, swept: Swept
) -> None:
    vault.publish(1, GONE, policy="Retain")
    vault.publish(2, GONE, policy="Delete")
    retained = [vault.publish(1, UID, policy="Delete"), vault.publish(2, UID, policy="Retain")]
    by_default = vault.publish(1, "5ced71e5-0003")
    said = swept(namespace())
    assert sorted(vault.left) == sorted([*retained, by_default])
    assert said[-1]["keptBecause"] == {"retained": 3}
    assert {line["scheduleUID"] for line in said if "deletionPolicy was Retain" in line["message"]} == {
        UID,
        "5ced71e5-0003",
    }


def test_young_bundles_of_it_stay_for_a_day(vault: Vault, swept: Swept) -> None:
    vault.publish(1, GONE, policy="Delete")
    young = vault.publish(2, GONE, policy="Delete", age=timedelta(hours=1))
    swept(namespace())
    assert vault.left == [young]


@pytest.mark.parametrize("damage", [b"", b"{}", None])
def test_a_newest_manifest_that_cannot_be_read_keeps_them_and_is_told(
    vault: Vault, swept: Swept, damage: bytes | None
) -> None:
    bundle = vault.publish(2, GONE, policy="Delete")
    manifest = vault.file(bundle, "manifest.json")
    if damage is None:
        manifest.unlink()
    else:
        manifest.write_bytes(damage)
        os.utime(manifest, (NOW.timestamp() - 3 * 86_400,) * 2)
    said = swept(namespace())
    assert vault.left == [bundle]
    assert any("cannot be read" in line["message"] for line in said)


def test_a_schedule_that_came_back_under_another_uid_keeps_what_it_had(vault: Vault, swept: Swept) -> None:
    bundles = [vault.publish(week, GONE, policy="Delete") for week in (1, 2)]
    said = swept(namespace([], [schedule()], [deployment(bundles[1])]))
    assert vault.left == bundles
    assert said[-1]["keptBecause"] == {"referred to": 1, "restored": 1}


def test_nothing_of_a_schedule_that_is_gone_goes_while_others_are_not_settled(vault: Vault, swept: Swept) -> None:
    bundle = vault.publish(1, GONE, policy="Delete")
    swept(namespace([version(9, state=None)]))
    unseen = schedule()
    del unseen["status"]["observedGeneration"]
    swept(namespace([], [unseen]))
    assert vault.left == [bundle]


# --- how


def test_a_dry_run_says_the_same_and_removes_nothing(vault: Vault, swept: Swept) -> None:
    bundle, kept = vault.publish(1), vault.publish(2)
    lists = namespace([version(2, uri=kept)], [schedule()])
    rehearsed = swept(lists, dry_run=True)
    assert vault.left == [bundle, kept]
    assert [line["message"] for line in rehearsed] == ["would be removed", "dry run"]
    done = swept(lists)
    same = ("uri", "bytes", "kept", "removed", "keptBecause")
    assert [[line.get(key) for key in same] for line in rehearsed] == [[line.get(key) for key in same] for line in done]


def test_another_organizations_bundles_are_not_looked_at(vault: Vault, swept: Swept) -> None:
    theirs = BundleIdentity("rival", UID, label(1))
    publish(vault.store, vault.store.url, theirs, contents(identity=theirs), keyring=KEYS.keyring, signer=KEYS.signer)
    swept(namespace(), age=timedelta())
    assert len(stored_bundles(vault.store, "rival")) == 1


def test_sweeping_twice_finds_nothing_more(vault: Vault, swept: Swept) -> None:
    vault.publish(1)
    swept(namespace([], [schedule()]))
    assert swept(namespace([], [schedule()]))[-1]["removed"] == 0


@pytest.mark.parametrize("missing", ["EAGLE_NAMESPACE", "EAGLE_ORGANIZATION", "EAGLE_STORE_URL"])
def test_outside_its_cronjob_it_says_what_is_missing(missing: str) -> None:
    environment = {"EAGLE_NAMESPACE": "org-acme", "EAGLE_ORGANIZATION": "acme", "EAGLE_STORE_URL": "file:///x"}
    del environment[missing]
    with pytest.raises(InvalidConfiguration, match=missing) as ended:
        sweeping.run(environment)
    assert ended.value.exit_code == TrainerExit.INVALID_CONFIGURATION


# --- the API server


@contextmanager
def api_server(answer: Callable[[str, dict[str, list[str]]], tuple[int, Object]]) -> Iterator[client.ApiClient]:
    """A client of a server that gives those answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            code, body = answer(parts.path, parse_qs(parts.query))
            text = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *arguments: object) -> None:
            """What is asked is not worth a line."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        settings = client.Configuration(host=f"http://127.0.0.1:{server.server_address[1]}")
        settings.retries = False
        api = client.ApiClient(settings)
        try:
            yield api
        finally:
            api.rest_client.pool_manager.clear()
            server.shutdown()
            thread.join()


def test_lists_are_read_to_their_last_page() -> None:
    asked: list[str] = []

    def answer(path: str, query: dict[str, list[str]]) -> tuple[int, Object]:
        asked.append(path)
        assert len(asked) <= 3
        position = int(query.get("continue", ["0"])[0])
        more = {"continue": str(position + 1)} if position < 2 else {}
        return 200, {"metadata": more, "items": [{"metadata": {"name": f"{position}"}}]}

    with api_server(answer) as api:
        found = list(sweeping.cluster_lists(api, "org-acme")("apps", "v1", "deployments"))
    assert [item["metadata"]["name"] for item in found] == ["0", "1", "2"]
    assert set(asked) == {"/apis/apps/v1/namespaces/org-acme/deployments"}


def test_a_list_that_fails_on_a_later_page_is_no_list() -> None:
    def answer(path: str, query: dict[str, list[str]]) -> tuple[int, Object]:
        if "continue" in query:
            return 410, {"kind": "Status", "reason": "Expired"}
        return 200, {"metadata": {"continue": "x"}, "items": [{}]}

    with api_server(answer) as api, pytest.raises(TrainingEnded, match="cannot list modelversions in org-acme"):
        list(sweeping.cluster_lists(api, "org-acme")(names.GROUP, names.API_VERSION, names.VERSIONS))


def test_an_api_server_that_is_not_there_is_told() -> None:
    with api_server(lambda path, query: (200, {})) as api:
        pass
    with pytest.raises(TrainingEnded, match="nothing was removed"):
        list(sweeping.cluster_lists(api, "org-acme")("apps", "v1", "deployments"))
