"""How the rollout of a model stands, read from the serving Deployment and its pods."""

from dataclasses import dataclass
from enum import Enum, auto

from eagle_operator.domain.attempts import waiting_problem
from eagle_operator.domain.serving_deployment import served_models
from eagle_operator.domain.world import Deployment, Pod

SETTINGS_REFUSED = 26
"""The exit code with which a server says that its settings, keys folder or store credentials are at fault."""

MODEL_REFUSED = frozenset(range(20, 30)) - {SETTINGS_REFUSED}
"""The exit codes with which a server says that the model itself is at fault: digest, signature, key, answers."""


class Stage(Enum):
    """Where a rollout can stand."""

    NOT_BEGUN = auto()
    RUNNING = auto()
    COMPLETE = auto()
    MODEL_FAILED = auto()
    HELD_UP = auto()
    """It does not go on, and the cause is not the model's: no room, no image, no Secret."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """A stage and, where something is wrong, a sentence."""

    stage: Stage
    message: str = ""


def rollout(deployment: Deployment | None, pods: tuple[Pod, ...], models: str) -> Rollout:
    """How far `models` (the value the pods are told) is rolled out."""
    if deployment is None or served_models(deployment) != models:
        return Rollout(Stage.NOT_BEGUN)
    if deployment.observed_generation < deployment.meta.generation:
        return Rollout(Stage.RUNNING)
    wanted = deployment.spec.get("replicas", 1)
    if deployment.updated == deployment.replicas == deployment.available == wanted:
        return Rollout(Stage.COMPLETE)
    told = [pod for pod in pods if pod.models == models and not pod.meta.deleting]
    refusal = next((message for pod in told if (message := _refusal(pod))), "")
    if refusal:
        return Rollout(Stage.MODEL_FAILED, refusal)
    problem = next((message for pod in told if (message := _settings_problem(pod) or waiting_problem(pod))), "")
    if deployment.progressing_reason == "ProgressDeadlineExceeded":
        if problem:
            return Rollout(Stage.HELD_UP, problem)
        return Rollout(Stage.MODEL_FAILED, "no pod became ready within spec.serving.progressDeadlineSeconds")
    return Rollout(Stage.HELD_UP if problem else Stage.RUNNING, problem)


def _refusal(pod: Pod) -> str:
    if pod.exit_code in MODEL_REFUSED:
        return pod.exit_message.strip() or f"its server ended with exit code {pod.exit_code}"
    if pod.last_exit_code in MODEL_REFUSED:
        return pod.last_exit_message.strip() or f"its server ended with exit code {pod.last_exit_code}"
    return ""


def _settings_problem(pod: Pod) -> str:
    if pod.exit_code == SETTINGS_REFUSED:
        return pod.exit_message.strip()
    return pod.last_exit_message.strip() if pod.last_exit_code == SETTINGS_REFUSED else ""
