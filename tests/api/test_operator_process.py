"""The operator as a process, before a real API server: how it starts, stands by, stops, and what probes are told."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.api import Api, Object, RefusedError
from tests.support.cluster import REPOSITORY, kubectl, program, run, unique, wait_for
from tests.support.eagle import Organization, schedule
from tests.support.fault_proxy import Fault, FaultProxy, Recorded, Refuse, Request, all_is_well, before_api_server
from tests.support.loop_thread import LoopThread
from tests.support.operator_process import OperatorProcess, operator_process
from tests.support.ports import free_port
from tests.support.private_api_server import ApiServer, api_server

from eagle_contract.api import names
from eagle_operator.lease import LEASE_NAME

LEASE_SECONDS = 6


@dataclass(frozen=True)
class Operator:
    """An operator that was begun, and where it is asked for its health."""

    process: OperatorProcess
    probes: str
    metrics: str

    def ask(self, page: str) -> httpx.Response:
        """What a probe is answered. Raises httpx.TransportError."""
        return httpx.get(f"{self.probes}/{page}", timeout=10)

    def sample(self, name: str) -> float:
        """The sum of a metric's samples. Raises httpx.TransportError."""
        families = text_string_to_metric_families(httpx.get(self.metrics, timeout=10).text)
        return sum(found.value for family in families for found in family.samples if found.name == name)

    def until_says(self, word: str, timeout: float = 30) -> None:
        """Waits until a probe is answered with that word."""

        def says() -> bool:
            try:
                return word in self.ask("healthz").text
            except httpx.TransportError:
                return False

        wait_for(says, f"the operator to say {word!r}; {self.process.said()}", timeout=timeout, interval=0.05)


Begin = Callable[..., Operator]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("process")) as server:
        for file in sorted((REPOSITORY / "crds").glob("*.yaml")):
            kubectl("apply", "--server-side", "-f", str(file), config=server.config)
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s", config=server.config)
        yield server


@pytest.fixture
def api(server: ApiServer) -> Iterator[Api]:
    with Api.administrator(server.config) as api:
        yield api


@pytest.fixture
def place(api: Api) -> Organization:
    """An organization's namespace."""
    name = unique("org-process")
    labels = {names.ORGANIZATION_LABEL: "acme"}
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    return Organization(id="acme", namespace=name, release="x")


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    with LoopThread() as loop:
        yield loop


@pytest.fixture
def proxy(server: ApiServer, loop: LoopThread, tmp_path: Path) -> Iterator[tuple[FaultProxy, Path]]:
    with before_api_server(loop, server, tmp_path) as made:
        yield made


@pytest.fixture
def home(api: Api) -> str:
    """The namespace of the test's operators and their Lease."""
    name = unique("eagle")
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture
def begin(home: str, tmp_path: Path) -> Iterator[Begin]:
    """Starts an operator that shares one Lease with the others of its test."""
    shared = {"EAGLE_NAMESPACE": home, "EAGLE_LEASE_SECONDS": str(LEASE_SECONDS), "EAGLE_RESYNC_SECONDS": "10"}
    with ExitStack() as stack:

        def begin(config: Path, identity: str = "one", workers: int = 8) -> Operator:
            port, probes = free_port(), f"http://127.0.0.1:{free_port()}"
            settings = {**shared, "EAGLE_IDENTITY": identity, "EAGLE_HEALTH_ADDRESS": probes}
            settings |= {"EAGLE_METRICS_PORT": str(port), "EAGLE_WORKERS": str(workers)}
            process = stack.enter_context(operator_process(config, tmp_path, **settings))
            return Operator(process, probes, f"http://127.0.0.1:{port}/metrics")

        yield begin


def lease_of(api: Api, home: str) -> Object:
    return dict(api.call("GET", f"/apis/coordination.k8s.io/v1/namespaces/{home}/leases/{LEASE_NAME}")["spec"])


def is_ready(api: Api, made: Object) -> bool:
    found = api.get(made).get("status", {}).get("conditions", [])
    return [c["status"] for c in found if c["type"] == "Ready"] == ["True"]


def until_taken_up(api: Api, made: Object, timeout: float = 30) -> None:
    wait_for(lambda: is_ready(api, made), "the schedule to be Ready", timeout=timeout)


def decisions(seen: list[Recorded]) -> list[Recorded]:
    """Writes other than to the Lease."""
    return [each for each in seen if "/leases" not in each.request.path]


def test_an_operator_that_is_told_to_stop_releases_the_lease_and_ends_well(
    server: ApiServer, api: Api, home: str, begin: Begin
) -> None:
    operator = begin(server.config)
    operator.until_says("leading")
    assert lease_of(api, home)["holderIdentity"] == "one"
    assert operator.sample("eagle_leader") == 1
    began = time.monotonic()
    assert operator.process.stop() == 0
    assert time.monotonic() - began < 10
    assert not lease_of(api, home).get("holderIdentity")


def test_the_write_that_is_under_way_is_finished_and_no_other_is_begun(
    proxy: tuple[FaultProxy, Path], api: Api, place: Organization, home: str, begin: Begin
) -> None:
    wire, config = proxy
    operator = begin(config, workers=1)
    operator.until_says("leading")
    interrupted: list[Request] = []

    def order_to_stop_comes(request: Request) -> Fault | None:
        if request.method != "GET" and place.namespace in request.path and not interrupted:
            interrupted.append(request)
            operator.process.program.send(signal.SIGTERM)
            # The proxy stands still meanwhile, and so does the one worker.
            time.sleep(1.5)
        return None

    wire.rule = order_to_stop_comes
    made = [api.create(schedule(place, f"press-{number}")) for number in range(3)]
    assert operator.process.program.wait(30) == 0
    (begun,) = interrupted
    ours = [each for each in wire.writes() if place.namespace in each.request.path]
    assert [(each.request.number, each.status) for each in ours] == [(begun.number, 201)]
    assert wire.writes()[-1].request.path.endswith(f"/leases/{LEASE_NAME}")
    assert not any(is_ready(api, each) for each in made)
    assert not lease_of(api, home).get("holderIdentity")


def test_a_second_operator_stands_by_in_good_health_and_takes_over_at_once_when_the_first_is_told_to_stop(
    server: ApiServer, proxy: tuple[FaultProxy, Path], api: Api, place: Organization, begin: Begin
) -> None:
    wire, config = proxy
    first = begin(server.config, "one")
    first.until_says("leading")
    second = begin(config, "two")
    second.until_says("standby: one holds the Lease")
    until_taken_up(api, api.create(schedule(place, "press-1")))
    wait_for(lambda: second.sample("eagle_mirror_objects") == first.sample("eagle_mirror_objects"), "it to be seen")
    assert (second.ask("healthz").status_code, second.ask("readyz").status_code) == (200, 200)
    assert (second.sample("eagle_leader"), second.sample("eagle_workqueue_depth")) == (0, 0)
    assert wire.writes() == []
    assert first.process.stop() == 0
    second.until_says("leading", timeout=LEASE_SECONDS / 2 + 2)
    until_taken_up(api, api.create(schedule(place, "press-2")))


def test_an_operator_that_was_frozen_comes_back_as_a_standby_and_has_written_nothing(
    server: ApiServer, proxy: tuple[FaultProxy, Path], api: Api, place: Organization, begin: Begin
) -> None:
    wire, config = proxy
    first = begin(config, "one")
    first.until_says("leading")
    second = begin(server.config, "two")
    second.until_says("standby")
    first.process.program.send(signal.SIGSTOP)
    second.until_says("leading", timeout=3 * LEASE_SECONDS)
    until_taken_up(api, api.create(schedule(place, "press")))
    before = len(wire.writes())
    first.process.program.send(signal.SIGCONT)
    first.until_says("standby: two holds the Lease")
    assert first.ask("healthz").status_code == 200
    assert decisions(wire.writes()[before:]) == []
    assert second.ask("healthz").text == "leading\n"


def test_an_operator_whose_lease_lapsed_lists_everything_before_it_works_again(
    proxy: tuple[FaultProxy, Path], api: Api, place: Organization, begin: Begin
) -> None:
    wire, config = proxy
    operator = begin(config)
    operator.until_says("leading")
    wire.rule = lambda request: Refuse(503) if "/leases" in request.path else None
    operator.until_says("standby", timeout=2 * LEASE_SECONDS)
    before = len(wire.recorded)
    made = api.create(schedule(place, "press"))
    wait_for(lambda: operator.sample("eagle_workqueue_adds_total") > 0, "the operator to see it")
    assert decisions([each for each in wire.recorded[before:] if each.request.is_write]) == []
    assert not is_ready(api, made)
    wire.rule = all_is_well
    until_taken_up(api, made)
    since = wire.recorded[before:]
    renewed = next(i for i, each in enumerate(since) if "/leases" in each.request.path and each.status == 200)
    written = next(i for i, each in enumerate(since) if decisions([each]) and each.request.is_write)
    listed = {each.request.path for each in since[renewed:written] if "limit=" in each.request.target}
    assert len(listed) == 8, listed


def test_an_api_server_that_is_away_and_comes_back_costs_neither_health_nor_the_process(
    server: ApiServer, api: Api, place: Organization, begin: Begin
) -> None:
    operator = begin(server.config)
    operator.until_says("leading")
    server.program.kill()
    operator.until_says("standby", timeout=2 * LEASE_SECONDS)
    end = time.monotonic() + 3 * LEASE_SECONDS
    while time.monotonic() < end:
        assert operator.ask("healthz").status_code == 200
        time.sleep(0.2)
    server.program.start()
    server.until_ready()
    operator.until_says("leading", timeout=60)
    until_taken_up(api, api.create(schedule(place, "press")), timeout=60)
    assert operator.process.program.running


def test_an_api_server_that_never_answers_costs_neither_health_nor_the_process(
    server: ApiServer, api: Api, place: Organization, begin: Begin
) -> None:
    operator = begin(server.config)
    operator.until_says("leading")
    server.program.send(signal.SIGSTOP)
    try:
        operator.until_says("standby", timeout=2 * LEASE_SECONDS)
        end = time.monotonic() + 2 * LEASE_SECONDS
        while time.monotonic() < end:
            assert operator.ask("healthz").status_code == 200
            time.sleep(0.2)
    finally:
        server.program.send(signal.SIGCONT)
    operator.until_says("leading", timeout=60)
    until_taken_up(api, api.create(schedule(place, "press")), timeout=60)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 429, 500])
def test_whatever_error_is_answered_for_a_while_the_operator_goes_on_afterwards(
    proxy: tuple[FaultProxy, Path], loop: LoopThread, api: Api, place: Organization, begin: Begin, code: int
) -> None:
    wire, config = proxy
    operator = begin(config)
    operator.until_says("leading")
    wire.rule = lambda request: Refuse(code)
    loop.call(wire.cut())
    made = api.create(schedule(place, "press"))
    cut = len(wire.recorded)

    def refused() -> int:
        return len(decisions(wire.recorded[cut:]))

    wait_for(lambda: refused() > 5, "requests to be refused, and to be tried again", timeout=60)
    assert operator.ask("healthz").status_code == 200
    wire.rule = all_is_well
    until_taken_up(api, made, timeout=60)
    assert operator.process.program.running


def test_an_operator_that_starts_before_the_api_server_waits_for_it(
    server: ApiServer, api: Api, place: Organization, begin: Begin
) -> None:
    server.program.kill()
    operator = begin(server.config)
    operator.until_says("starting")
    assert operator.ask("readyz").status_code == 500
    assert operator.ask("healthz").status_code == 200
    server.program.start()
    server.until_ready()
    operator.until_says("leading", timeout=60)
    assert operator.ask("readyz").status_code == 200
    until_taken_up(api, api.create(schedule(place, "press")), timeout=60)


def test_the_metrics_are_as_promtool_wants_them(server: ApiServer, api: Api, place: Organization, begin: Begin) -> None:
    operator = begin(server.config)
    until_taken_up(api, api.create(schedule(place, "press")))
    text = httpx.get(operator.metrics, timeout=10).text
    assert "eagle_writes_total{" in text
    run([program("promtool"), "check", "metrics"], stdin=text)


def test_the_logs_of_an_operator_are_json_line_by_line_from_start_to_stop(server: ApiServer, begin: Begin) -> None:
    operator = begin(server.config)
    operator.until_says("leading")
    assert operator.process.stop() == 0
    lines: list[dict[str, Any]] = [json.loads(line) for line in operator.process.log.read_text().splitlines()]
    assert lines[-1]["level"] == "info"
    assert {"holding the Lease", "released the Lease"} <= {" ".join(x["message"].split()[:3]) for x in lines}
    assert not [line for line in lines if "exception" in line]


def test_a_lease_that_may_not_be_used_is_told_in_the_log(
    proxy: tuple[FaultProxy, Path], api: Api, home: str, begin: Begin
) -> None:
    wire, config = proxy
    wire.rule = lambda request: Refuse(403) if "/leases" in request.path else None
    operator = begin(config)
    wait_for(lambda: "cannot look at the Lease" in operator.process.said(), "the operator to say so")
    operator.until_says("standby: nobody holds the Lease")
    with pytest.raises(RefusedError, match="not found"):
        lease_of(api, home)
