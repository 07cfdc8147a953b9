"""`eagle-train run`: one attempt of a run, in a pod that the operator has started."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kubernetes import client, config

from eagle_contract.api import names, resolve
from eagle_contract.bundle import BundleError, KeyRing, Signer, StoreUnavailable, Verifier, fetch, open_store
from eagle_trainer import machine
from eagle_trainer.errors import InvalidConfiguration, StoreFailed
from eagle_trainer.judge import Champion, NotComparable
from eagle_trainer.logs import JsonLog, say
from eagle_trainer.pipeline import Task, train
from eagle_trainer.progress import Stopwatch
from eagle_trainer.publishing import Destination, Run, publish_trained, result_of
from eagle_trainer.reporter import Api, Heartbeat, Order, result_status
from eagle_trainer.sources.database import Database
from eagle_trainer.team.alone import Team
from eagle_trainer.team.place import Place


@dataclass(frozen=True, kw_only=True)
class Pod:
    """What the operator's template tells the pod, by environment variables."""

    namespace: str
    uid: str
    version: str
    attempt: int
    source_uri: str
    source_authority: str | None
    """The certificate that the database's own must be signed by, as PEM text; None: as `source_uri` says."""
    store_url: str
    image: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Pod":
        """Raises InvalidConfiguration naming the variable that is missing."""

        def value(name: str) -> str:
            found = environment.get(name, "")
            if not found:
                raise InvalidConfiguration(
                    f"{name} is not set; `run` is for pods that the operator starts, use `local`"
                )
            return found

        version = environment.get("EAGLE_MODEL_VERSION") or value("EAGLE_JOB_NAME")
        return cls(
            namespace=value("EAGLE_NAMESPACE"),
            uid=value("EAGLE_POD_UID"),
            version=version,
            attempt=_attempt(value("EAGLE_JOB_NAME"), version),
            source_uri=value("EAGLE_SOURCE_URI"),
            source_authority=environment.get("EAGLE_SOURCE_CA") or None,
            store_url=value("EAGLE_STORE_URL"),
            image=environment.get("EAGLE_TRAINER_IMAGE", ""),
        )

    def database(self) -> Database:
        """The source, not connected to yet. Raises InvalidConfiguration."""
        return Database(self.source_uri, authority=self.source_authority)


def run(environment: Mapping[str, str] = os.environ) -> None:
    """Train and report, or help the worker that does. Raises TrainingEnded in one of its kinds."""
    place = Place.from_environment(environment)
    if place.worker:
        place.help_out(machine.cpu_limit())
        return
    with place.team() as team:
        _train(environment, team)


def _train(environment: Mapping[str, str], team: Team) -> None:
    pod = Pod.from_environment(environment)
    config.load_incluster_config()  # type: ignore[no-untyped-call]
    api = Api(client.ApiClient(), pod.namespace)
    order = api.order(pod.version)
    heartbeat = Heartbeat(api, order.name)
    watch = Stopwatch((JsonLog(), heartbeat))
    destination = _destination(pod, environment)
    task = _task(order, destination, team)
    source = pod.database()
    try:
        with heartbeat.beating():
            trained = train(source, task, watch)
    finally:
        source.close()
    this = Run(
        organization=order.schedule.spec.organization_id,
        schedule=order.schedule_name,
        schedule_uid=order.schedule_uid,
        generation=order.schedule_generation,
        run_time=order.version.spec.scheduled_time or order.created,
        attempt=pod.attempt,
        pod_uid=pod.uid,
        image=pod.image,
    )
    with watch.step("publish") as facts:
        artifact = publish_trained(trained, task, this, destination)
        facts |= {"uri": artifact.uri, "bytes": artifact.size_bytes}
    result = result_of(trained, task, this, artifact, watch.timings)
    api.report(order.name, result_status(result))
    say("info", "reported", uri=artifact.uri, peakMemoryBytes=result.peak_memory_bytes)


def _attempt(job: str, version: str) -> int:
    number = job.removeprefix(f"{version}-retry-")
    return int(number) + 1 if number != job and number.isdigit() else 1


def _destination(pod: Pod, environment: Mapping[str, str]) -> Destination:
    try:
        return Destination(
            store=open_store(pod.store_url, environment),
            url=pod.store_url,
            keyring=KeyRing.from_folder(Path(names.KEYS_FOLDER)),
            signer=Signer.from_pem((Path(names.SIGNING_FOLDER) / "signing.pem").read_bytes()),
        )
    except (BundleError, OSError) as error:
        raise StoreFailed(str(error)) from error


def _task(order: Order, destination: Destination, team: Team) -> Task:
    return Task(
        spec=order.schedule.spec,
        resolved=resolve(order.schedule.spec, order=order.version.spec),
        now=datetime.now(UTC),
        threads=machine.cpu_limit(),
        champion=_champion(order, destination),
        team=team,
    )


def _champion(order: Order, destination: Destination) -> Champion | NotComparable | None:
    """The version in service. One that cannot be opened is said to be so; it does not keep a new one from training."""
    active = order.schedule.status.active_version
    if active is None:
        return None
    try:
        verifier = Verifier.from_folder(Path(names.VERIFICATION_FOLDER))
        bundle = fetch(destination.store, active.uri, active.digest, keyring=destination.keyring, verifier=verifier)
    except (BundleError, StoreUnavailable, OSError) as error:
        say("warning", f"the version in service cannot be compared: {error}")
        return NotComparable(active.version, str(error)[:900])
    return Champion(label=active.version, bundle=bundle)
