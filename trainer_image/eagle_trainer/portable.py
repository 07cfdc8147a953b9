"""A trained model once more in single precision, for runtimes that know neither double precision nor newer operators.

The published graph is exact, and computes the features from raw samples. Its trees in single precision, by onnxmltools,
with the mean of the boosters and the calibration around them, are operators of 2018. Whether they may be written is
decided by the same proof as for models from elsewhere.
"""

import importlib
from collections.abc import Sequence

import lightgbm as lgb
import numpy as np

from eagle_trainer.calibrate import Calibration, sigmoid
from eagle_trainer.convert import Converted, Pulse, convert
from eagle_trainer.features import FeatureBlocks
from eagle_trainer.fit import margins_of
from eagle_trainer.foreign.from_lightgbm import as_saved
from eagle_trainer.foreign.in_single import graph_in_single
from eagle_trainer.foreign.model import Foreign, needed, trees_in_double
from eagle_trainer.series import Floats
from eagle_trainer.trees import tree_table

_MOST_VALUES = 10_000_000
"""Of the features that the proof compares: they are held three times."""
_MOST_ROWS = 200_000


def ensure_possible() -> None:
    """Raises InvalidConfiguration where onnxmltools is not installed."""
    try:
        importlib.import_module("onnxmltools")
    except ImportError as error:
        raise needed("onnxmltools, which --portable needs,") from error


def rows_to_prove(blocks: FeatureBlocks) -> Floats:
    """Features [n,F] of training's rows, spread evenly over all of them."""
    most = min(blocks.rows, _MOST_ROWS, max(1, _MOST_VALUES // len(blocks.plan.names)))
    return blocks.matrix(np.unique(np.linspace(0, blocks.rows - 1, most).round().astype(np.int64)))


def portable(
    boosters: Sequence[lgb.Booster],
    calibration: Calibration,
    names: tuple[str, ...],
    rows: Floats,
    *,
    pulse: Pulse = lambda step, share: None,
) -> Converted:
    """The proven graph: `features` FLOAT [B,F] in the order of `names` to `failure_probability` FLOAT [B].

    `rows` [n,F] are compared beside those that are made up. Raises InvalidConfiguration for what converters get wrong,
    and ConversionFailed where single precision changes too many answers.
    """
    saved = [as_saved(booster) for booster in boosters]
    slope, offset = calibration.slope, calibration.offset
    trees = tree_table([booster for booster, _ in saved], slope=slope, offset=offset)
    width = len(names)
    trained = Foreign(
        kind="trained",
        features=names,
        answer="failure_probability",
        predict=lambda given: sigmoid(margins_of([b for b, _ in saved], given, slope=slope, offset=offset)),
        double=lambda: trees_in_double(trees, features=width, answer="failure_probability", links=True, rounds=False),
        single=lambda: graph_in_single(
            [text for _, text in saved], width, "failure_probability", slope=slope, offset=offset, links=True
        ),
        trees=trees,
        instead="use model.onnx, which is exact",
    )
    return convert(trained, "Single", data=rows, pulse=pulse)
