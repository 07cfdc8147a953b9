"""A made-up plant that is trained on in a second or two."""

from pathlib import Path

import yaml
from tests.unit.trainer.truths import NOW

from eagle_trainer.synthesize import synthesize

FEW_TREES = {"num_iterations": "20", "num_leaves": "7", "learning_rate": "0.2"}


def small_plant(folder: Path) -> None:
    """Writes its tables and a schedule of few trees."""
    synthesize(folder, assets=12, days=50, period_seconds=3600, sensors=3, seed=5, now=NOW, truth=False)
    schedule = yaml.safe_load((folder / "schedule.yaml").read_text())
    schedule["spec"]["model"]["parameters"] = FEW_TREES
    (folder / "schedule.yaml").write_text(yaml.safe_dump(schedule))
