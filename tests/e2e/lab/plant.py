"""An organization as tests need it: onboarded by the charts, with a database of its own, and schedules in it."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from eagledemo import database, organizations
from eagledemo.dataset import Table
from eagledemo.kube import Cluster
from eagledemo.organizations import Organization
from tests.e2e.lab.line import line_spec
from tests.e2e.lab.schedule import Schedule
from tests.support.api import Api, Object
from tests.support.cluster import local_images, unique

from eagle_contract.api import names

API = f"{names.GROUP}/{names.API_VERSION}"


@dataclass(frozen=True)
class Plant:
    """An onboarded organization with a database."""

    cluster: Cluster
    api: Api
    """The cluster's administrator."""
    organization: Organization

    @property
    def namespace(self) -> str:
        """The organization's namespace."""
        return self.organization.namespace

    def load(self, tables: list[Table]) -> None:
        """Put the tables into the database, ending within the last hour, and make the Secret that names it."""
        now = datetime.now(UTC).replace(tzinfo=None)
        database.load_tables(self.cluster, self.organization, tables, now)
        database.connect_schedules(self.cluster, self.organization)

    def schedule(self, prefix: str = "line", **members: object) -> Schedule:
        """A new schedule that learns from the line, under a name of its own; `members` replace those of its spec."""
        return self.apply(unique(prefix), self.spec(**members))

    def spec(self, **members: object) -> Object:
        """The spec of a schedule that learns from the line; `members` replace."""
        return line_spec(self.organization.id, self.organization.database_secret, **members)

    def apply(self, name: str, spec: Object) -> Schedule:
        """Make a TrainingSchedule be as given."""
        manifest: Object = {
            "apiVersion": API,
            "kind": "TrainingSchedule",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }
        self.api.apply(manifest, "e2e", force="true")
        return Schedule(self.api, self.namespace, name)

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """While the context lasts nobody reads the table: a training that comes to it waits there."""
        words = ("exec", "--namespace", self.namespace, "--stdin", f"deployment/{database.NAME}", "--", "psql")
        options = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "-U", database.DATABASE, "-d", database.DATABASE)
        session = self.cluster.process(*words, *options, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert session.stdin is not None
        assert session.stdout is not None
        with session:
            try:
                session.stdin.write(f"BEGIN;\nLOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;\n\\echo locked\n")
                session.stdin.flush()
                assert session.stdout.readline().strip() == "locked"
                yield
            finally:
                session.stdin.close()

    def get(self, api_version: str, kind: str, name: str) -> Object:
        """An object of the organization's namespace."""
        return self.api.get(self._object(api_version, kind, name))

    def create(self, api_version: str, kind: str, name: str, **members: object) -> Object:
        """Make an object in the organization's namespace."""
        return self.api.create({**self._object(api_version, kind, name), **members})

    def delete(self, api_version: str, kind: str, name: str) -> None:
        """Ask for the end of an object in the organization's namespace."""
        self.api.delete(self._object(api_version, kind, name))

    def copy_secret(self, name: str, copy: str) -> None:
        """Make another Secret with the same content."""
        self.create("v1", "Secret", copy, data=self.get("v1", "Secret", name)["data"])

    def _object(self, api_version: str, kind: str, name: str) -> Object:
        return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": self.namespace}}

    def overview(self) -> str:
        """What is in the namespace, for whoever reads about a failed test."""
        kinds = "trainingschedules,modelversions,cronjobs,jobs,pods,deployments"
        words = ("get", kinds, "--namespace", self.namespace, "--output", "wide")
        return self.cluster.kubectl(*words, step="look around")


@contextmanager
def onboarded(cluster: Cluster, api: Api, prefix: str, keep: Callable[[], bool]) -> Iterator[Plant]:
    """A new organization with an empty database; removed afterwards, without waiting for its end, unless `keep()`."""
    images = local_images()
    plant = Plant(cluster, api, Organization(unique(prefix)))
    try:
        organizations.install_organization(cluster, plant.organization, images)
        database.install_database(cluster, plant.organization, images["EAGLE_POSTGRES_IMAGE"])
        yield plant
    finally:
        if not keep():
            remove(plant)


def remove(plant: Plant) -> None:
    """Take the organization away."""
    cluster, namespace = plant.cluster, plant.namespace
    words = ("--namespace", organizations.OPERATOR_NAMESPACE, "--ignore-not-found")
    cluster.helm("uninstall", plant.organization.release, *words, step="remove the organization")
    cluster.kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found", step="remove the namespace")
