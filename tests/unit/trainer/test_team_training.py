"""A whole training with two workers: searched, judged and proven as with one, to a model as good."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.trainer.test_team import Begin, begin, ended, team_of

from eagle_contract.api import TrainingSchedule, resolve
from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.inputs import source_of
from eagle_trainer.pipeline import Task, Trained, train
from eagle_trainer.progress import Stopwatch
from eagle_trainer.synthesize import synthesize
from eagle_trainer.team.alone import ALONE, Team

__all__ = ["begin"]

NOW = datetime(2026, 5, 1, tzinfo=UTC)
MODEL: dict[str, Any] = {
    "parameters": {"num_iterations": "25", "num_leaves": "7", "learning_rate": "0.15"},
    "search": {"trials": 3, "seconds": 3600},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("plant")
    synthesize(found, assets=8, days=45, period_seconds=3600, sensors=3, seed=5, now=NOW)
    return found


def task(folder: Path, team: Team = ALONE, **parameters: str) -> Task:
    manifest: Any = yaml.safe_load((folder / "schedule.yaml").read_text())
    model = manifest["spec"]["model"] | MODEL
    model["parameters"] = MODEL["parameters"] | parameters
    spec = TrainingSchedule.model_validate({"spec": {**manifest["spec"], "model": model}}).spec
    return Task(spec=spec, resolved=resolve(spec), now=NOW, threads=1, team=team)


def trained(folder: Path, given: Task) -> Trained:
    source = source_of(str(folder))
    try:
        return train(source, given, Stopwatch(()))
    finally:
        source.close()


def test_two_workers_come_to_a_model_as_good_as_one_workers(folder: Path, begin: Begin) -> None:
    with team_of(2, begin) as (team, helpers):
        together = trained(folder, task(folder, team))
    code, grown = ended(helpers[0])
    assert code == 0
    assert len(grown) > 3 * together.recipe.plan.folds + 2 * together.recipe.plan.seeds - 1, "it took part in all fits"
    alone = trained(folder, task(folder))
    assert together.judgement.metrics["log_loss_skill"] == pytest.approx(
        alone.judgement.metrics["log_loss_skill"], abs=0.05
    )
    assert together.recipe.report()["workers"] == 2
    assert "workers" not in alone.recipe.report()
    assert together.recipe.found
    assert alone.recipe.found
    assert [t.number for t in together.recipe.found.trials] == [t.number for t in alone.recipe.found.trials]
    assert together.schema_digest == alone.schema_digest


def test_several_workers_learn_on_cpus_alone(folder: Path) -> None:
    class Two:
        size = 2
        booster, grow = ALONE.booster, ALONE.grow

    with pytest.raises(InvalidConfiguration, match=r"^several workers learn on CPUs; .*device_type"):
        trained(folder, replace(task(folder, device_type="gpu"), team=Two()))
