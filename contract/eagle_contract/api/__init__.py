"""The custom resources as pydantic models: the source of the CRDs, of `docs/api.md` and of what the programs read."""

from eagle_contract.api.conditions import Condition
from eagle_contract.api.defaults import InstallationDefaults, Resolved, resolve
from eagle_contract.api.exits import TrainerExit, reason_of_exit
from eagle_contract.api.hashes import training_hash
from eagle_contract.api.schedule import TrainingSchedule, TrainingScheduleSpec, TrainingScheduleStatus
from eagle_contract.api.version import ModelVersion, ModelVersionSpec, ModelVersionStatus, Progress, TrainingResult

__all__ = [
    "Condition",
    "InstallationDefaults",
    "ModelVersion",
    "ModelVersionSpec",
    "ModelVersionStatus",
    "Progress",
    "Resolved",
    "TrainerExit",
    "TrainingResult",
    "TrainingSchedule",
    "TrainingScheduleSpec",
    "TrainingScheduleStatus",
    "reason_of_exit",
    "resolve",
    "training_hash",
]
