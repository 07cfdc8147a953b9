"""The baseline a model has to beat: logistic regression on the model's own features, made as well as it can be.

A weak rival proves nothing. So its inputs are brought to one scale and kept within what was seen, categories are
columns of their own, what is missing is an input, too, and how far the data may bend it is chosen on time that it has
not seen: rows of one machine and one day are alike, and without a strong penalty a linear model learns them by heart.
"""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from eagle_trainer.budget import LEAST_POSITIVE_SHARE
from eagle_trainer.calibrate import sigmoid
from eagle_trainer.features import FeatureBlocks
from eagle_trainer.metrics import log_losses
from eagle_trainer.series import Flags, Floats, Integers, Samples, spread

MOST_ROWS = 20_000
_MOST_CELLS = 2_500_000
_FEWEST_ROWS = 2_000
"""Rows times features: with very many features fewer rows are fitted, but so many at least."""
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""The inverse of the penalty; tried from the strongest penalty on, until new time is foretold no better."""
TIME_PARTS = 4
CLIPPED = 0.005
"""So much of each column's known values is cut off at either end."""
_ROWS_TO_CHOOSE_BY = 6_000
"""Of the fitted rows, by which the penalty is chosen: each try fits as often as there are parts of the time."""
_MOST_FOR_NEWTON = 200
_STEPS, _TOLERANCE = 500, 1e-6


class LinearInputs:
    """Features as a linear model needs them; what they are brought to is learned from the given rows [N,F]."""

    def __init__(self, features: Floats, categorical: Sequence[int]) -> None:
        known = _known(features)
        plain = [i for i in range(features.shape[1]) if i not in set(categorical) and not np.isnan(known[:, i]).all()]
        self._plain = np.array(plain, np.int64)
        numbers = known[:, self._plain]
        self._low, self._usual, self._high = (
            np.nanquantile(numbers, share, axis=0) if plain else np.zeros(0) for share in (CLIPPED, 0.5, 1 - CLIPPED)
        )
        self._incomplete = np.flatnonzero(np.isnan(numbers).any(axis=0))
        self._kinds = {i: np.unique(known[~np.isnan(known[:, i]), i]) for i in categorical}
        self._mean, self._scale = np.zeros(0), np.ones(0)
        given = self._columns(known)
        self._mean, scale = given.mean(axis=0), given.std(axis=0)
        # What never changes says nothing, and rounding is not to be blown up.
        self._scale = np.where(scale > 1e-9 * (1.0 + np.abs(self._mean)), scale, np.inf)

    def of(self, features: Floats) -> Floats:
        """[N,M] of features [N,F]: of mean 0 and spread 1 on the rows that were learned from, and never missing."""
        return np.asarray((self._columns(_known(features)) - self._mean) / self._scale)

    def _columns(self, known: Floats) -> Floats:
        numbers = known[:, self._plain]
        missing = np.isnan(numbers)
        filled = np.clip(np.where(missing, self._usual, numbers), self._low, self._high)
        kinds = [known[:, [i]] == values for i, values in self._kinds.items()]
        return np.hstack([filled, missing[:, self._incomplete], *kinds])


def logistic_baseline(
    blocks: FeatureBlocks, training: Integers, samples: Samples, scored: Integers, *, most_rows: int = MOST_ROWS
) -> Floats | None:
    """Probabilities for the `scored` rows; None when the training rows have one class only, or no known value.

    `training` and `scored` are sorted positions among the `samples`. At most `most_rows` are fitted, evenly spread; of
    rare positives more than their share, which is put right in the probabilities.
    """
    target = samples.target[training]
    if not 0.0 < target.mean() < 1.0:
        return None
    chosen, correction = _chosen(target, int(np.clip(_MOST_CELLS // len(blocks.plan.names), _FEWEST_ROWS, most_rows)))
    rows = training[chosen]
    features = blocks.matrix(rows)
    inputs = LinearInputs(features, blocks.plan.categorical_features)
    given = inputs.of(features)
    if not given.shape[1]:
        return None
    model = _fitted(given, samples.target[rows], _strength(given, samples.target[rows], samples.time[rows]))
    result = np.empty(len(scored))
    for place, block in blocks.chosen(scored):
        result[place] = sigmoid(model.decision_function(inputs.of(block)) + correction)
    return result


def logistic_across(
    blocks: FeatureBlocks, samples: Samples, folds: Sequence[tuple[Flags, Flags]], scored: Integers
) -> Floats | None:
    """The same across folds (fit, check) of all samples: each scored row by the fold that checks it.

    None when a fold's rows have one class only.
    """
    result = np.full(len(samples), np.nan)
    for fit, check in folds:
        own = np.flatnonzero(check)
        found = logistic_baseline(blocks, np.flatnonzero(fit), samples, own, most_rows=MOST_ROWS // 2)
        if found is None:
            return None
        result[own] = found
    return result[scored]


def _chosen(target: Floats, most: int) -> tuple[Integers, float]:
    """Positions of at most so many rows, and what is to be added to a margin that was learned from them alone."""
    if len(target) <= most:
        return np.arange(len(target)), 0.0
    positive, negative = np.flatnonzero(target == 1.0), np.flatnonzero(target == 0.0)
    share = max(LEAST_POSITIVE_SHARE, len(positive) / len(target))
    wanted = min(len(positive), max(1, round(share * most)))
    kept = [spread(positive, wanted), spread(negative, most - wanted)]
    correction = np.log(len(positive) / len(kept[0])) - np.log(len(negative) / len(kept[1]))
    return np.sort(np.concatenate(kept)), float(correction)


def _strength(given: Floats, target: Floats, time: Integers) -> float:
    """The strength with which each quarter of the time is foretold best by the other three."""
    few = spread(np.arange(len(target)), _ROWS_TO_CHOOSE_BY)
    given, target, time = given[few], target[few], time[few]
    edges = np.quantile(time, np.linspace(0, 1, TIME_PARTS + 1)[1:-1])
    part = np.searchsorted(edges, time, side="right")
    parts = [part == number for number in np.unique(part)]
    usable = [mine for mine in parts if 0.0 < target[~mine].sum() < np.count_nonzero(~mine)]
    # Each begins where it was with the strength before, which is near.
    models = [_model(given) for _ in usable]
    best, least = STRENGTHS[0], np.inf
    for strength in STRENGTHS if usable else ():
        loss = 0.0
        for mine, model in zip(usable, models, strict=True):
            _fit(model.set_params(C=strength), given[~mine], target[~mine])
            loss += float(log_losses(model.predict_proba(given[mine])[:, 1], target[mine]).sum())
        if loss >= least:
            break
        best, least = strength, loss
    return best


def _fitted(given: Floats, target: Floats, strength: float) -> LogisticRegression:
    return _fit(_model(given).set_params(C=strength), given, target)


def _model(given: Floats) -> LogisticRegression:
    solver = "newton-cholesky" if given.shape[1] <= _MOST_FOR_NEWTON else "lbfgs"
    return LogisticRegression(solver=solver, max_iter=_STEPS, tol=_TOLERANCE, warm_start=True)


def _fit(model: LogisticRegression, given: Floats, target: Floats) -> LogisticRegression:
    with warnings.catch_warnings():
        # A yardstick may stop short of the last digit.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(given, target)


def _known(features: Floats) -> Floats:
    return np.asarray(np.where(np.isfinite(features), features, np.nan))
