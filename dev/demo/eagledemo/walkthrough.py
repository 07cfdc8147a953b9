"""The story itself, from the operator's installation to a roll-back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

from localcluster.paths import REPOSITORY, Paths
from localcluster.progress import StepError

from eagle_contract.api import names
from eagledemo import database, endpoint, load, organizations, questions, runs
from eagledemo.asker import Tally
from eagledemo.dataset import EXAMPLES, Table, read_tables
from eagledemo.kube import Cluster, Object
from eagledemo.organizations import Organization, is_built_here
from eagledemo.questions import Moment
from eagledemo.steps import PREPARED
from eagledemo.story import Story
from eagledemo.teardown import DEMO_LABEL
from eagledemo.telling import accuracy_line, answer_line, ending, progress_line, serving_line, tally_line

_TRAINING_SECONDS = 900.0
_ROLLOUT_SECONDS = 300.0
_SLOT_DELAY = timedelta(seconds=25)
_LEAD = timedelta(hours=12)
_QUIET = timedelta(days=7)
QUESTIONS = REPOSITORY / "build" / "demo"
"""Where the questions that were asked are kept, for the reader to ask again."""


@dataclass(frozen=True, eq=False)
class Case:
    """An organization, what it has, and the moments that its model is asked about."""

    organization: Organization
    folder: Path
    tables: Sequence[Table] = field(repr=False)
    moments: Sequence[Moment]
    schedule: Object = field(repr=False)

    @property
    def name(self) -> str:
        return str(self.schedule["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return self.organization.namespace

    @property
    def model(self) -> str:
        return str(self.schedule["spec"]["model"]["name"])

    @property
    def service(self) -> str:
        return names.serving_name(self.name)


def fleet() -> Case:
    """Return the fleet of acme: one machine shortly before its failure, one that is well."""
    folder = EXAMPLES / "fleet"
    tables = read_tables(folder)
    failing = questions.before_last_failure(tables, _LEAD)
    moments = (failing, questions.far_from_failure(tables, failing, _QUIET))
    return Case(Organization("acme"), folder, tables, moments, runs.read_schedule(folder / "schedule.yaml"))


def rig() -> Case:
    """Return the rig of hydra: with a pump that leaks, and with one that does not."""
    folder = EXAMPLES / "rig"
    tables = read_tables(folder)
    moments = (
        questions.end_of_last_run(tables, "pump_leakage", 1, "the pump leaks"),
        questions.end_of_last_run(tables, "pump_leakage", 0, "the pump is sound"),
    )
    return Case(Organization("hydra"), folder, tables, moments, runs.read_schedule(folder / "schedule.yaml"))


class Walkthrough:
    """Runs the steps and tells the reader of them. Every step may be repeated on a cluster where it was done before."""

    def __init__(self, cluster: Cluster, story: Story, paths: Paths) -> None:
        self._cluster, self._story, self._paths = cluster, story, paths
        self._images = organizations.built_images(paths.images_env)
        self._acme, self._hydra = fleet(), rig()
        self._given_up = Event()

    def run(self) -> None:
        """Walk through all steps that are left. Raises StepError."""
        self._story.step(PREPARED + 1)
        self._install()
        self._story.step(PREPARED + 2)
        self._onboard()
        self._story.step(PREPARED + 3)
        slot = self._apply_schedules()
        self._story.step(PREPARED + 4)
        first = self._first_models(slot)
        self._ask_both()
        self._swap_under_load(first)
        self._story.step(PREPARED + 7)
        self._closing()

    def _install(self) -> None:
        installed = organizations.installed_operator(self._cluster)
        if installed is not None and not is_built_here(installed):
            self._story.say("an operator is installed already: it is used as it is")
            return
        self._story.say("helm upgrade --install eagle helm/eagle-training --namespace eagle-system …")
        organizations.install_operator(self._cluster, self._images)
        self._story.say("operator and object store are running")

    def _onboard(self) -> None:
        for case in (self._acme, self._hydra):
            organization = case.organization
            self._story.now(organization.id, f"helm upgrade --install {organization.release} helm/eagle-organization …")
            _refuse_strangers(self._cluster, organization)
            organizations.install_organization(
                self._cluster, organization, self._images, f"namespace.labels.{DEMO_LABEL}"
            )
            self._story.now(organization.id, "its PostgreSQL starts")
            database.install_database(self._cluster, organization, self._images["EAGLE_POSTGRES_IMAGE"])
            now = datetime.now(UTC).replace(tzinfo=None)
            shift = database.load_tables(self._cluster, organization, list(case.tables), now)
            database.connect_schedules(self._cluster, organization)
            rows = sum(table.content.num_rows for table in case.tables)
            self._story.now(
                organization.id,
                f"{rows:,} rows loaded, moved by {shift // timedelta(hours=1):,} hours so that they end now",
            )

    def _apply_schedules(self) -> datetime:
        """Return the slot that acme's schedule is given: the next minute or the one after."""
        soon, slot = runs.with_slot_after(self._acme.schedule, datetime.now(UTC), _SLOT_DELAY)
        runs.apply_schedule(self._cluster, self._hydra.schedule)
        self._story.say(f"hydra: kubectl apply -f examples/rig/schedule.yaml   ({_timetable(self._hydra.schedule)})")
        runs.apply_schedule(self._cluster, soon)
        self._story.say(f"acme:  kubectl apply -f examples/fleet/schedule.yaml ({_timetable(soon)} just this once,")
        self._story.say(
            f"       so that a slot comes at {slot:%H:%M} UTC; then {_timetable(self._acme.schedule)} again)"
        )
        return slot

    def _first_models(self, slot: datetime) -> Object:
        """Return acme's ModelVersion, in service."""
        ordered = runs.order_run(self._cluster, self._hydra.namespace, self._hydra.name, description="the first model")
        self._story.say(f"hydra: kubectl create -f - ordered {ordered}")
        of_slot = names.slot_name(self._acme.name, slot)
        _, first = self._both(lambda: self._into_service(self._hydra, ordered), lambda: self._from_slot(of_slot, slot))
        return first

    def _both(self, *tasks: Callable[[], Object]) -> list[Object]:
        """Return what the tasks return, which run side by side. When one fails, the others are given up."""
        with ThreadPoolExecutor(len(tasks)) as threads:
            futures = [threads.submit(task) for task in tasks]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
            except BaseException:
                self._given_up.set()
                raise
            return [future.result() for future in futures]

    def _watch(self, who: str, line: Callable[[Object], str]) -> Callable[[Object], None]:
        """What to do with each state of an object that is waited for: put it into words."""

        def seen(resource: Object) -> None:
            if self._given_up.is_set():
                raise StepError(f"wait for {who}", "given up because something else failed")
            self._story.now(who, line(resource))

        return seen

    def _from_slot(self, name: str, slot: datetime) -> Object:
        def countdown(_: Object) -> str:
            left = (slot - datetime.now(UTC)).total_seconds()
            return f"its slot comes at {slot:%H:%M} UTC" if left > 0 else "the slot is here, Kubernetes makes the Job"

        seen = self._watch("acme", countdown)
        seconds = max(0.0, (slot - datetime.now(UTC)).total_seconds()) + 90
        runs.wait_for_slot(self._cluster, self._acme.namespace, name, seconds=seconds, seen=seen)
        self._story.now("acme", f"the slot has come: Kubernetes made the Job, the operator {name}")
        version = self._into_service(self._acme, name)
        runs.apply_schedule(self._cluster, self._acme.schedule)
        return version

    def _into_service(self, case: Case, name: str) -> Object:
        """Return the version once it serves. Raises StepError when it does not come that far."""
        who = case.organization.id
        version = runs.wait_for_training(
            self._cluster,
            case.namespace,
            name,
            seconds=_TRAINING_SECONDS,
            seen=self._watch(who, progress_line),
        )
        self._story.now(who, accuracy_line(version))
        runs.require_passed(version)
        runs.wait_for_service(
            self._cluster,
            case.namespace,
            case.name,
            name,
            seconds=_ROLLOUT_SECONDS,
            seen=self._watch(who, serving_line),
        )
        self._story.now(who, f"{version['status']['version']} is in service")
        return version

    def _ask_both(self) -> None:
        for case in (self._acme, self._hydra):
            self._ask(case)

    def _ask(self, case: Case) -> None:
        """Ask about both moments; keep the questions as files."""
        QUESTIONS.mkdir(parents=True, exist_ok=True)
        with endpoint.tunnel(self._cluster, case.namespace, case.service, case.model) as server:
            description = server.describe()
            for position, moment in enumerate(case.moments):
                body = questions.body(questions.question(description, case.schedule, case.tables, moment))
                _question_file(case, position).write_text(body)
                self._story.say(answer_line(case.organization.id, moment.meaning, server.ask(body)))

    def _swap_under_load(self, first: Object) -> None:
        case = self._acme
        with load.asking(
            self._cluster,
            case.namespace,
            "demo-client",
            url=f"http://{case.service}.{case.namespace}.svc/v2/models/{case.model}/infer",
            body=_question_file(case, 0).read_text(),
            image=self._images["EAGLE_SERVING_IMAGE"],
        ) as client:
            self._story.step(PREPARED + 5)
            second = self._second_version(client)
            self._story.step(PREPARED + 6)
            self._roll_back(client, first, second)
            tally = client.stop()
        self._story.say(f"the client's final count: {tally_line(tally)}")
        _require_none_failed(tally)

    def _second_version(self, client: load.Load) -> Object:
        case = self._acme
        self._story.say("a client in the cluster asks about 30 times a second, from now until the end of the next step")
        ordered = runs.order_run(
            self._cluster,
            case.namespace,
            case.name,
            description="a slower learning rate",
            parameters={"learning_rate": "0.04"},
        )
        self._story.say(f"ordered {ordered}, with parameters: {{learning_rate: 0.04}} for this run alone")
        version = self._into_service(case, ordered)
        client.wait_for_answers(version["status"]["version"])
        self._wait_for_old_pods()
        self._story.say(f"the client: {tally_line(client.tally())}")
        return version

    def _roll_back(self, client: load.Load, first: Object, second: Object) -> None:
        case, name = self._acme, second["metadata"]["name"]
        self._story.say(f"kubectl patch modelversion {name} … spec.approval.decision: Rejected")
        before = client.tally().versions.get(first["status"]["version"], 0)
        runs.reject(self._cluster, case.namespace, name, "the demo shows how to roll back")
        runs.wait_for_service(
            self._cluster,
            case.namespace,
            case.name,
            first["metadata"]["name"],
            seconds=_ROLLOUT_SECONDS,
            seen=self._watch(case.organization.id, serving_line),
        )
        self._story.now(case.organization.id, f"{first['status']['version']} is back in service")
        client.wait_for_answers(first["status"]["version"], more_than=before)
        self._wait_for_old_pods()

    def _wait_for_old_pods(self) -> None:
        """Until they are gone somebody may still ask them."""
        self._story.now("acme", "the client goes on until the old pod is gone")
        runs.wait_for_old_pods(self._cluster, self._acme.namespace, self._acme.name, seconds=_ROLLOUT_SECONDS)

    def _closing(self) -> None:
        for resource in ("trainingschedules", "modelversions"):
            self._story.say(f"$ kubectl get {resource} --all-namespaces")
            self._story.say(self._cluster.kubectl("get", resource, "--all-namespaces", step="look at the result"))
        self._ask_both()
        places = [(c.namespace, c.service, c.model, _question_file(c, 0)) for c in (self._acme, self._hydra)]
        self._story.say(ending(self._cluster, places, local=self._cluster.kubeconfig == self._paths.admin_kubeconfig))
        self._story.say(f"took {self._story.elapsed().strip()} (minutes:seconds)")


def _refuse_strangers(cluster: Cluster, organization: Organization) -> None:
    """Raise StepError when somebody else's organization has the demo's name."""
    present = organizations.has_organization
    if present(cluster, organization) and not present(cluster, organization, DEMO_LABEL):
        raise StepError(
            f"onboard the organization {organization.id}",
            f"the namespace {organization.namespace} is there and is not the demo's: it lacks the label {DEMO_LABEL}",
        )


def _question_file(case: Case, position: int) -> Path:
    return QUESTIONS / f"{case.name}-{('failing', 'healthy')[position]}.json"


def _timetable(schedule: Object) -> str:
    return f'"{schedule["spec"]["schedule"]}"'


def _require_none_failed(tally: Tally) -> None:
    if tally.failed:
        raise StepError("serve without a gap", f"{tally.failed} requests failed: {'; '.join(tally.failures)}")
