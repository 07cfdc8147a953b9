"""The operator and the organizations, by the project's own charts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster.paths import REPOSITORY
from localcluster.progress import StepError

from eagledemo.kube import Cluster, Object

OPERATOR_NAMESPACE = "eagle-system"
OPERATOR_RELEASE = "eagle"
_OPERATOR_CHART = REPOSITORY / "helm" / "eagle-training"
_ORGANIZATION_CHART = REPOSITORY / "helm" / "eagle-organization"
_IMAGE_VALUES = {
    "images.operator.reference": "EAGLE_OPERATOR_IMAGE",
    "images.trainer.reference": "EAGLE_TRAINER_IMAGE",
    "images.serving.reference": "EAGLE_SERVING_IMAGE",
    "images.store.reference": "EAGLE_STORE_IMAGE",
}


@dataclass(frozen=True)
class Organization:
    """An organization by its id; its namespace and its release have the names that the chart gives by default."""

    id: str

    @property
    def namespace(self) -> str:
        return f"org-{self.id}"

    @property
    def release(self) -> str:
        return f"org-{self.id}"

    @property
    def database_secret(self) -> str:
        return f"{self.id}-scada"


def built_images(images_env: Path) -> dict[str, str]:
    """Return the names of the images by variable; raises StepError before they are built."""
    lines = images_env.read_text().splitlines() if images_env.exists() else []
    names = dict(line.split("=", 1) for line in lines if "=" in line)
    missing = sorted({*_IMAGE_VALUES.values(), "EAGLE_POSTGRES_IMAGE"} - names.keys())
    if missing:
        raise StepError("find the images", f"{images_env} does not name {', '.join(missing)}: run `make images`")
    return names


def installed_operator(cluster: Cluster) -> Object | None:
    """Return the values of the operator's release, or None when there is none."""
    step = "look for an installed operator"
    words = ("--namespace", OPERATOR_NAMESPACE, "--output", "json")
    releases = json.loads(cluster.helm("list", *words, step=step))
    if not any(release["name"] == OPERATOR_RELEASE for release in releases):
        return None
    return dict(json.loads(cluster.helm("get", "values", OPERATOR_RELEASE, "--all", *words, step=step)))


def is_built_here(values: Object) -> bool:
    """Tell by the values of an operator's release whether it runs images built from a working tree."""
    reference = str(values.get("images", {}).get("operator", {}).get("reference", ""))
    return reference.rpartition("/")[2].startswith("eagle-operator:dev-")


def install_operator(cluster: Cluster, images: dict[str, str]) -> None:
    """Install the operator, or bring the release that is there up to this tree, and wait until it runs.

    A first installation keeps its store in the pod: it is for trying things out. Values of a release that is there
    are kept but for the images.
    """
    step = "install the operator"
    first = installed_operator(cluster) is None
    values = [f"{value}={images[variable]}" for value, variable in _IMAGE_VALUES.items()]
    values += ["store.persistence.enabled=false"] if first else []
    cluster.helm(
        *("upgrade", "--install", OPERATOR_RELEASE, str(_OPERATOR_CHART), "--namespace", OPERATOR_NAMESPACE),
        *("--create-namespace", "--reset-then-reuse-values"),
        *(word for value in values for word in ("--set", value)),
        step=step,
    )
    for part in ("operator", "store"):
        cluster.kubectl(
            *("rollout", "status", f"deployment/{OPERATOR_RELEASE}-{part}", "--namespace", OPERATOR_NAMESPACE),
            *("--timeout", "180s"),
            step=f"wait for the {part}",
        )


def install_organization(cluster: Cluster, organization: Organization, images: dict[str, str], *values: str) -> None:
    """Onboard an organization: its namespace, identities, keys and its place in the store. `values` as for --set."""
    more = [f"organization={organization.id}", f"store.onboarding.image.reference={images['EAGLE_STORE_IMAGE']}"]
    cluster.helm(
        *("upgrade", "--install", organization.release, str(_ORGANIZATION_CHART), "--namespace", OPERATOR_NAMESPACE),
        *(word for value in (*more, *values) for word in ("--set", value)),
        step=f"onboard the organization {organization.id}",
    )


def has_organization(cluster: Cluster, organization: Organization, label: str = "") -> bool:
    """Tell whether the organization's namespace is there and carries the label `NAME=VALUE`, if one is given."""
    selector = f"kubernetes.io/metadata.name={organization.namespace}" + (f",{label}" if label else "")
    words = ("get", "namespaces", "--selector", selector, "--output", "name")
    return bool(cluster.kubectl(*words, step=f"look for the organization {organization.id}").strip())


def remove_organizations(cluster: Cluster, organizations: Sequence[Organization]) -> None:
    """Remove organizations with everything in their namespaces: schedules, versions, keys, databases."""
    for organization in organizations:
        words = ("--namespace", OPERATOR_NAMESPACE, "--ignore-not-found")
        cluster.helm("uninstall", organization.release, *words, step=f"remove the organization {organization.id}")
    namespaces = [organization.namespace for organization in organizations]
    if namespaces:
        step = f"remove {', '.join(namespaces)}"
        cluster.kubectl("delete", "namespace", *namespaces, "--ignore-not-found", step=step)


def remove_operator(cluster: Cluster) -> None:
    """Uninstall the operator's release. What its chart keeps, stays: definitions, root credentials of the store."""
    words = ("--namespace", OPERATOR_NAMESPACE, "--ignore-not-found")
    cluster.helm("uninstall", OPERATOR_RELEASE, *words, step="uninstall the operator")
