"""Small fitted models for the trainer's tests, through the product's own steps."""

from collections.abc import Mapping
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from tests.unit.trainer.arrays import plan, samples_at, series

from eagle_trainer import fit
from eagle_trainer.calibrate import Calibration
from eagle_trainer.features import FeatureBlocks, Windows
from eagle_trainer.graph import model_graph
from eagle_trainer.labels import complete_rows
from eagle_trainer.parameters import checked_parameters
from eagle_trainer.plan import FeaturePlan
from eagle_trainer.prove import Candidate
from eagle_trainer.series import Floats
from eagle_trainer.trees import TreeTable, tree_table

SMALL = {"num_iterations": "12", "num_leaves": "7", "min_data_in_leaf": "20"}
CALIBRATION = Calibration(0.8, -0.3, True)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A model with everything it came from."""

    plan: FeaturePlan
    windows: Windows
    blocks: FeatureBlocks
    target: Floats
    boosters: list[lgb.Booster]

    def candidate(self, trees: TreeTable | None = None) -> Candidate:
        """The exported model, with other trees on request."""
        table = trees or tree_table(self.boosters, slope=CALIBRATION.slope, offset=CALIBRATION.offset)
        graph = model_graph(self.plan, table, failure_probability=0.6, confidence=0.7)
        return Candidate(
            plan=self.plan,
            boosters=self.boosters,
            calibration=CALIBRATION,
            trees=table,
            model=graph.SerializeToString(deterministic=True),
            failure_probability=0.6,
            confidence=0.7,
        )


def fitted(
    *,
    parameters: Mapping[str, str] | None = None,
    missing: str = "Propagate",
    context: bool = True,
    threads: int = 1,
    rows: int = 1500,
    seed: int = 7,
    gaps: bool = True,
) -> Fitted:
    """A model of two sensors whose mean matters, with missing samples and, on request, a column of context."""
    random = np.random.default_rng(11)
    values = random.normal(size=(rows, 2))
    given = random.integers(0, 5, (rows, 1)).astype(float)
    target = (np.convolve(values[:, 0], np.ones(3) / 3, "same") + 0.2 * given[:, 0] > 1.0).astype(float)
    if gaps:
        values[random.random(values.shape) < 0.02] = np.nan
        given[random.random(rows) < 0.1] = np.nan
    chosen = plan(sensors="ab", missing=missing, context=("errors__hours_since",) if context else ())
    found = series(values)
    complete = complete_rows(found, chosen.window_length)
    samples = samples_at(found.time[complete], target[complete], row=complete)
    windows = Windows(found, samples, given[complete][:, : int(context)], chosen.window_length)
    blocks = FeatureBlocks(chosen, windows, threads=threads)
    checked = checked_parameters({**SMALL, **(parameters or {})})
    everything = np.arange(len(samples))
    data = fit.dataset(blocks, everything, samples.target, checked, seed=seed, threads=threads)
    boosters = fit.fit_seeds(data, checked, rounds=checked.rounds, seed=seed, threads=threads, pulse=lambda share: None)
    return Fitted(plan=chosen, windows=windows, blocks=blocks, target=samples.target, boosters=boosters)
