"""The baseline a model has to beat: logistic regression on the model's own features."""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eagle_trainer.features import FeatureBlocks
from eagle_trainer.series import Flags, Floats, Integers

MOST_ROWS = 20_000


def logistic_baseline(
    blocks: FeatureBlocks, training: Integers, target: Floats, scored: Integers, *, most_rows: int = MOST_ROWS
) -> Floats | None:
    """Probabilities for the `scored` rows; None when the training rows it is fitted on have one class only.

    `target` belongs to `training`. At most `most_rows`, evenly spread, are fitted: more do not change the yardstick.
    """
    chosen = np.unique(np.linspace(0, len(training) - 1, min(most_rows, len(training))).round().astype(np.int64))
    if not 0.0 < target[chosen].mean() < 1.0:
        return None
    pipeline = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=1.0, max_iter=300),
    )
    with warnings.catch_warnings():
        # A yardstick may stop short of the last digit.
        warnings.simplefilter("ignore", ConvergenceWarning)
        pipeline.fit(blocks.matrix(training[chosen]), target[chosen])
    result = np.empty(len(scored))
    for place, block in blocks.chosen(scored):
        result[place] = pipeline.predict_proba(block)[:, 1]
    return result


def logistic_across(
    blocks: FeatureBlocks, target: Floats, folds: Sequence[tuple[Flags, Flags]], scored: Integers
) -> Floats | None:
    """The same across folds (fit, check) of all samples: each scored row by the fold that checks it.

    `target` belongs to all samples. None when a fold's rows have one class only.
    """
    result = np.full(len(target), np.nan)
    for fit, check in folds:
        training, own = np.flatnonzero(fit), np.flatnonzero(check)
        found = logistic_baseline(blocks, training, target[training], own, most_rows=MOST_ROWS // 2)
        if found is None:
            return None
        result[own] = found
    return result[scored]
