"""Eagle on a test cluster: its charts installed, an organization onboarded, the smallest objects that are valid."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.api import Object
from tests.support.cluster import REPOSITORY, helm, kubectl, local_images, unique

from eagle_contract.api import names

OPERATOR_CHART = REPOSITORY / "helm" / "eagle-training"
ORGANIZATION_CHART = REPOSITORY / "helm" / "eagle-organization"
API = f"{names.GROUP}/{names.API_VERSION}"

_IMAGES = {
    "images.operator.reference": "EAGLE_OPERATOR_IMAGE",
    "images.trainer.reference": "EAGLE_TRAINER_IMAGE",
    "images.serving.reference": "EAGLE_SERVING_IMAGE",
    "images.store.reference": "EAGLE_STORE_IMAGE",
}


@dataclass(frozen=True)
class Installation:
    """The operator's release."""

    name: str = "eagle"
    namespace: str = "eagle-system"

    @property
    def operator(self) -> str:
        """The operator as the API server knows it."""
        return f"system:serviceaccount:{self.namespace}:{self.name}-operator"


@dataclass(frozen=True)
class Organization:
    """An onboarded organization: its id, its namespace, its release beside the operator's."""

    id: str
    namespace: str
    release: str


def operator_image_values() -> list[str]:
    """`--set` arguments that name the images built on this machine; none before they are built."""
    built = local_images()
    values = [f"{value}={built[variable]}" for value, variable in _IMAGES.items() if variable in built]
    return [part for value in values for part in ("--set", value)]


def is_installed(installation: Installation, config: Path | None = None) -> bool:
    """Whether the operator's release exists."""
    found = helm("list", "--namespace", installation.namespace, "--output", "json", config=config)
    return any(release["name"] == installation.name for release in json.loads(found))


def install_operator(installation: Installation, *arguments: str, config: Path | None = None) -> None:
    """Installs the operator's chart as it is in this tree, or brings the release that exists up to it.

    Values that the release has are kept. A first installation uses the images built on this machine and a store
    that lives as long as its pod. Does not wait for the pods.
    """
    first = not is_installed(installation, config)
    values = [*operator_image_values(), "--set", "store.persistence.enabled=false"] if first else []
    helm(
        "upgrade", "--install", installation.name, str(OPERATOR_CHART), "--namespace", installation.namespace,
        "--create-namespace", "--reset-then-reuse-values", *values, *arguments, config=config,
    )  # fmt: skip


def install_organization(
    organization: Organization, installation: Installation, *arguments: str, config: Path | None = None
) -> None:
    """Onboards an organization, or brings its release up to the chart of this tree and the given arguments."""
    helm(
        "upgrade", "--install", organization.release, str(ORGANIZATION_CHART), "--namespace", installation.namespace,
        "--set-string", f"organization={organization.id}", "--set", f"namespace.name={organization.namespace}",
        *arguments, config=config,
    )  # fmt: skip


def remove_organization(organization: Organization, installation: Installation, config: Path | None = None) -> None:
    """Takes an organization away altogether, what the chart keeps included."""
    helm("uninstall", organization.release, "--namespace", installation.namespace, "--ignore-not-found", config=config)
    kubectl("delete", "namespace", organization.namespace, "--wait=false", "--ignore-not-found", config=config)


@contextmanager
def onboarded(prefix: str, installation: Installation, *arguments: str) -> Iterator[Organization]:
    """An organization of a test's own; without a place in the store, unless the arguments say otherwise."""
    organization = new_organization(prefix)
    try:
        install_organization(organization, installation, *(arguments or ("--set", "store.onboarding.enabled=false")))
        yield organization
    finally:
        remove_organization(organization, installation)


def new_organization(prefix: str) -> Organization:
    """Names for an organization that nobody else uses."""
    name = unique(prefix)
    return Organization(id=name, namespace=f"org-{name}", release=f"org-{name}")


def schedule(organization: Organization, name: str, **spec: object) -> Object:
    """The smallest valid TrainingSchedule; suspended, so that no run comes of it. `spec` replaces members."""
    return {
        "apiVersion": API,
        "kind": "TrainingSchedule",
        "metadata": {"name": name, "namespace": organization.namespace},
        "spec": {
            "organizationId": organization.id,
            "suspend": True,
            "source": {
                "connection": {"secretName": "scada"},
                "telemetry": {
                    "table": "public.telemetry",
                    "layout": "Wide",
                    "timeColumn": "ts",
                    "samplePeriodSeconds": 60,
                },
                "continuousColumns": ["temp"],
            },
            "label": {"column": "fault"},
            "model": {"name": "press-failure"},
            **spec,
        },
    }


def manual_order(organization: Organization, schedule_name: str, **spec: object) -> Object:
    """The smallest ModelVersion that a person may make, under a name of its own. `spec` replaces members."""
    return {
        "apiVersion": API,
        "kind": "ModelVersion",
        "metadata": {"name": unique(f"{schedule_name}-m"), "namespace": organization.namespace},
        "spec": {"scheduleName": schedule_name, "trigger": "Manual", **spec},
    }
