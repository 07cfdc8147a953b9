"""A whole cluster with Eagle installed from this tree, and an organization with data: what every test here begins with.

The cluster is the one that KUBECONFIG names, else the local one; both must run. The release `eagle` and its images are
brought up to this tree when they are not there yet, and stay. Organizations are a session's own and go with it; with
EAGLE_E2E_KEEP=1 those of a session in which a test failed stay to be looked at.
"""

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

_DEV = Path(__file__).resolve().parents[2] / "dev"
sys.path[:0] = [str(_DEV / "demo"), str(_DEV / "cluster")]

from eagledemo import organizations  # noqa: E402
from eagledemo.kube import Cluster  # noqa: E402
from tests.e2e.lab.line import line_tables  # noqa: E402
from tests.e2e.lab.operator import Operator  # noqa: E402
from tests.e2e.lab.pair import Pair, trained_pair  # noqa: E402
from tests.e2e.lab.plant import Plant, onboarded  # noqa: E402
from tests.support.api import Api  # noqa: E402
from tests.support.cluster import EAGLE_HOME, kubeconfig, local_images  # noqa: E402


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """kubectl and helm on the cluster."""
    if not kubeconfig().exists():
        pytest.exit(f"{kubeconfig()} does not exist: make cluster-up, or set KUBECONFIG", returncode=2)
    return Cluster(kubeconfig(), EAGLE_HOME / "bin")


@pytest.fixture(scope="session")
def administrator(cluster: Cluster) -> Iterator[Api]:
    """The cluster's administrator."""
    with Api.administrator() as api:
        yield api


@pytest.fixture(scope="session")
def operator(cluster: Cluster, administrator: Api) -> Operator:
    """The installed operator, running the images of this tree."""
    images = local_images()
    if "EAGLE_OPERATOR_IMAGE" not in images:
        pytest.exit("the images are not built: make images", returncode=2)
    organizations.install_operator(cluster, images)
    operator = Operator(cluster, administrator)
    operator.until_ready()
    return operator


@pytest.fixture(scope="session")
def plant(request: pytest.FixtureRequest, cluster: Cluster, administrator: Api, operator: Operator) -> Iterator[Plant]:
    """An organization whose database holds a line of machines."""

    def keep() -> bool:
        return bool(os.environ.get("EAGLE_E2E_KEEP")) and request.session.testsfailed > 0

    with onboarded(cluster, administrator, "e2e", keep) as plant:
        plant.load(line_tables())
        yield plant


@pytest.fixture(scope="session")
def pair(plant: Plant) -> Pair:
    """A schedule with two versions that passed; tests begin with `pair.begin()`."""
    return trained_pair(plant)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what is in its organization and what the operator said last."""
    report = yield
    plants = [value for value in item.funcargs.values() if isinstance(value, Plant)]
    plants += [value.plant for value in item.funcargs.values() if isinstance(value, Pair)]
    for plant in plants[:1] if report.failed else []:
        report.sections.append((f"namespace {plant.namespace}", plant.overview()))
        report.sections.append(("operator", Operator(plant.cluster, plant.api).log(lines=60)))
    return report
