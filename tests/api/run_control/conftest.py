"""A Kubernetes of the tests' own, an operator in a process of its own, and trainers that do as a test says.

One control plane serves all tests of this folder, each with organizations of its own. The operator is started for each
test, because what is asked of it is mostly how it starts, ends and goes on.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.fault_proxy import FaultProxy, before_api_server
from tests.support.lab import BeginOperator, Lab, watched
from tests.support.loop_thread import LoopThread
from tests.support.operator_process import OperatorProcess, operator_process


@pytest.fixture(scope="package")
def loop() -> Iterator[LoopThread]:
    with LoopThread() as loop:
        yield loop


@pytest.fixture(scope="package")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    try:
        with control_plane(tmp_path_factory.mktemp("plane")) as plane:
            yield plane
    except FileNotFoundError as missing:
        pytest.skip(f"needs a control plane of its own: {missing}; `dev/cluster/cluster tool kwok` builds kwok")


@pytest.fixture(scope="package")
def make_lab(plane: ControlPlane, loop: LoopThread) -> Iterator[Callable[[], Lab]]:
    with watched(plane, loop) as make:
        yield make


@pytest.fixture
def lab(make_lab: Callable[[], Lab]) -> Iterator[Lab]:
    """The lab; the organizations that a test makes go with the test."""
    lab = make_lab()
    with lab.organizations:
        yield lab


@pytest.fixture
def proxy(plane: ControlPlane, loop: LoopThread, tmp_path: Path) -> Iterator[tuple[FaultProxy, Path]]:
    """A proxy before the API server, and the kubeconfig that goes through it."""
    with before_api_server(loop, plane.server, tmp_path) as made:
        yield made


@pytest.fixture
def begin_operator(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[BeginOperator]:
    """Starts operators, which end with the test. A test that fails shows the ends of their logs."""
    with ExitStack() as stack:
        begun: list[OperatorProcess] = []

        def begin(config: Path, *, nursery: bool = False, **environment: str) -> OperatorProcess:
            begun.append(stack.enter_context(operator_process(config, tmp_path, nursery=nursery, **environment)))
            return begun[-1]

        yield begin
        report = getattr(request.node, "rep_call", None)
        if report is not None and report.failed:
            for operator in begun:
                print(operator.said(60))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Lets fixtures know how the test ended."""
    report = yield
    setattr(item, f"rep_{report.when}", report)
    return report
