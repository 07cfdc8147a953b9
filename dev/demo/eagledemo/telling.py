"""How states of objects are put into words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from localcluster.paths import REPOSITORY

from eagledemo.asker import Tally
from eagledemo.endpoint import Answer
from eagledemo.kube import Cluster, Object
from eagledemo.runs import metric
from eagledemo.watching import condition


def progress_line(version: Object) -> str:
    """Return how far a run is."""
    if not version:
        return "the API server is asked"
    status = version.get("status", {})
    name = version["metadata"]["name"]
    if status.get("state") == "Running":
        progress = status.get("progress")
        where = f"{progress['step']}, {progress['percent']} %" if progress else "the pod starts"
        return f"{name} trains: {where}"
    admitted = condition(version, "Admitted")
    return f"{name}: {status.get('state', 'new')} {admitted.get('message', '')}".rstrip()


def accuracy_line(version: Object) -> str:
    """Return what a run has come to: how good the model is, by data it has not learned from."""
    validated = condition(version, "Validated")
    figures = ", ".join(
        f"{words} {value}"
        for name, words in (("accuracy", "accuracy"), ("average_precision", "average precision"))
        if (value := metric(version, name))
    )
    verdict = "passed the gate" if validated["status"] == "True" else f"{validated['reason']}: {validated['message']}"
    return f"{version['metadata']['name']} is trained: {figures}; {verdict}"


def serving_line(schedule: Object) -> str:
    """Return what serves, or what is on its way."""
    serving = condition(schedule, "Serving")
    return f"{serving['reason']}: {serving['message']}"


def answer_line(who: str, meaning: str, answer: Answer) -> str:
    """Return a prediction beside what is known of the moment."""
    said = "ALARM" if answer.alarm else "no alarm"
    return f"{who:<6} {meaning:<48} failure probability {answer.probability:.3f}  {said}"


def tally_line(tally: Tally) -> str:
    """Return what a client has counted."""
    shares = ", ".join(f"{count} by {version}" for version, count in tally.versions.items())
    return f"{tally.asked} questions, {tally.failed} failed, slowest {tally.slowest_seconds:.2f} s ({shares})"


def ending(cluster: Cluster, places: Sequence[tuple[str, str, str, Path]], *, local: bool) -> str:
    """Return what the reader may do next. `places` are namespace, Service, model and a file with a question."""
    lines = [
        "To go on:",
        f"  export KUBECONFIG={cluster.kubeconfig} PATH={cluster.programs}:$PATH",
        "  kubectl --namespace org-acme describe trainingschedule fleet",
        "  kubectl --namespace org-acme get modelversions --output wide",
    ]
    for position, (namespace, service, model, file) in enumerate(places):
        port = 8081 + position
        lines += [
            f"  kubectl --namespace {namespace} port-forward service/{service} {port}:80 &",
            f"  curl --data @{file.relative_to(REPOSITORY)} localhost:{port}/v2/models/{model}/infer",
        ]
    down = "make demo-down (the organizations)" + (", make cluster-down (the cluster)" if local else "")
    return "\n".join([*lines, f"To take it down: {down}"])
