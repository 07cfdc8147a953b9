"""A real API server with Eagle's charts on it, and organizations on that, for every test in this folder.

The release is shared: the one that exists is brought up to this tree's chart, and stays; one that the tests installed
goes when they end (what the chart keeps, stays).
"""

from collections.abc import Callable, Iterator

import pytest
from tests.support.api import Api, Object, RefusedError
from tests.support.cluster import helm, wait_for
from tests.support.eagle import Installation, Organization, install_operator, is_installed, onboarded, schedule


@pytest.fixture(scope="session")
def administrator() -> Iterator[Api]:
    """The cluster's administrator."""
    with Api.administrator() as api:
        yield api


@pytest.fixture(scope="session")
def installation(administrator: Api) -> Iterator[Installation]:
    """The operator's chart of this tree, its definitions served and its policies in force."""
    release = Installation()
    present = is_installed(release)
    install_operator(release)
    _wait_for_policies(administrator)
    yield release
    if not present:
        helm("uninstall", release.name, "--namespace", release.namespace)


@pytest.fixture(scope="session")
def organization(installation: Installation) -> Iterator[Organization]:
    """An onboarded organization that the tests of a session share."""
    with onboarded("api", installation) as organization:
        yield organization


@pytest.fixture(scope="session")
def operator(administrator: Api, installation: Installation) -> Api:
    """The operator, with its ServiceAccount's own rights."""
    return administrator.impersonate(installation.operator)


@pytest.fixture(scope="session")
def refusal() -> Callable[..., str]:
    """Calls the function and returns the API server's message; fails when the call was accepted."""

    def refused(call: Callable[..., Object], *arguments: object, **named: object) -> str:
        try:
            answer = call(*arguments, **named)
        except RefusedError as no:
            return no.message
        raise AssertionError(f"was accepted: {answer}")

    return refused


def _wait_for_policies(administrator: Api) -> None:
    """The API server takes up policies a moment after they are stored, and new resources a little later."""
    nowhere = Organization(id="nobody", namespace="default", release="nobody")

    def in_force() -> bool:
        try:
            administrator.create(schedule(nowhere, "probe"), dryRun="All")
        except RefusedError as no:
            return "ValidatingAdmissionPolicy" in no.message
        return False

    wait_for(in_force, "the policies to be in force", timeout=60)
