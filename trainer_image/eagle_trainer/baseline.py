"""The baseline a model has to beat: logistic regression on the model's own features."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eagle_trainer.features import FeatureBlocks
from eagle_trainer.series import Floats, Integers

MOST_ROWS = 20_000


def logistic_baseline(blocks: FeatureBlocks, training: Integers, target: Floats, scored: Integers) -> Floats | None:
    """Probabilities for the `scored` rows; None when the training rows it is fitted on have one class only.

    `target` belongs to `training`. At most 20,000 rows, evenly spread, are fitted: more do not change the yardstick.
    """
    chosen = np.unique(np.linspace(0, len(training) - 1, min(MOST_ROWS, len(training))).round().astype(np.int64))
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
