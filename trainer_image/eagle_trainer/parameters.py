"""LightGBM's parameters from a schedule: text to typed values, unknown and dangerous names refused by name.

Only names are accepted that change what is learned, and the device on which. Names that change how the program runs
(threads, files, the objective) belong to the trainer; what cannot be exported exactly is refused with the reason.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from eagle_trainer.errors import InvalidConfiguration

Value = int | float | bool | str

_TRUE, _FALSE = ("true", "1", "+", "yes"), ("false", "0", "-", "no")

_INTEGERS = {
    "num_iterations": (1, 5000),
    "num_leaves": (2, 1024),
    "max_depth": (-1, 64),
    "min_data_in_leaf": (0, 10_000_000),
    "bagging_freq": (0, 1000),
    "max_bin": (2, 1023),
    "min_data_in_bin": (1, 1_000_000),
    "bin_construct_sample_cnt": (1000, 10_000_000),
    "max_cat_threshold": (1, 10_000),
    "max_cat_to_onehot": (1, 10_000),
    "min_data_per_group": (1, 10_000_000),
    "gpu_platform_id": (-1, 64),
    "gpu_device_id": (-1, 64),
}
_NUMBERS = {
    "learning_rate": (1e-4, 1.0),
    "min_sum_hessian_in_leaf": (0.0, 1e9),
    "bagging_fraction": (0.01, 1.0),
    "pos_bagging_fraction": (0.01, 1.0),
    "neg_bagging_fraction": (0.01, 1.0),
    "feature_fraction": (0.01, 1.0),
    "feature_fraction_bynode": (0.01, 1.0),
    "max_delta_step": (-1e9, 1e9),
    "lambda_l1": (0.0, 1e9),
    "lambda_l2": (0.0, 1e9),
    "min_gain_to_split": (0.0, 1e9),
    "path_smooth": (0.0, 1e9),
    "scale_pos_weight": (1e-6, 1e6),
    "top_rate": (0.0, 1.0),
    "other_rate": (0.0, 1.0),
    "cat_l2": (0.0, 1e9),
    "cat_smooth": (0.0, 1e9),
}
_FLAGS = ("extra_trees", "is_unbalance", "use_missing", "boost_from_average", "feature_pre_filter")
_CHOICES = {
    "boosting": ("gbdt",),
    "data_sample_strategy": ("bagging", "goss"),
    "objective": ("binary",),
    "device_type": ("cpu", "gpu", "cuda"),
}
_ALIASES = {
    "num_iteration": "num_iterations",
    "n_iter": "num_iterations",
    "num_tree": "num_iterations",
    "num_trees": "num_iterations",
    "num_round": "num_iterations",
    "num_rounds": "num_iterations",
    "num_boost_round": "num_iterations",
    "n_estimators": "num_iterations",
    "shrinkage_rate": "learning_rate",
    "eta": "learning_rate",
    "num_leaf": "num_leaves",
    "max_leaves": "num_leaves",
    "min_data_per_leaf": "min_data_in_leaf",
    "min_data": "min_data_in_leaf",
    "min_child_samples": "min_data_in_leaf",
    "min_child_weight": "min_sum_hessian_in_leaf",
    "sub_row": "bagging_fraction",
    "subsample": "bagging_fraction",
    "bagging": "bagging_fraction",
    "subsample_freq": "bagging_freq",
    "sub_feature": "feature_fraction",
    "colsample_bytree": "feature_fraction",
    "colsample_bynode": "feature_fraction_bynode",
    "reg_alpha": "lambda_l1",
    "reg_lambda": "lambda_l2",
    "lambda": "lambda_l2",
    "min_split_gain": "min_gain_to_split",
    "unbalance": "is_unbalance",
    "boosting_type": "boosting",
    "boost": "boosting",
    "application": "objective",
    "device": "device_type",
}
_REFUSED = {
    "zero_as_missing": "it makes zeros missing, which the published graph cannot tell from measured zeros",
    "linear_tree": "trees with linear leaves cannot be exported exactly",
    "reg_sqrt": "it changes the scale of the answer, which is lost in the export",
    "categorical_feature": "categories are given as codes by source.attributes",
    "seed": "set model.seed instead",
    "random_state": "set model.seed instead",
    "num_threads": "the trainer follows the pod's CPU limit",
    "n_jobs": "the trainer follows the pod's CPU limit",
    "deterministic": "trainings are deterministic in any case",
    "early_stopping_round": "the trainer chooses the rounds by folds; num_iterations is the most there may be",
    "metric": "the trainer chooses the rounds by log loss and reports the other figures",
    "verbosity": "the log is the trainer's own",
    "monotone_constraints": "features have no fixed order that it could refer to",
}

DEFAULTS: Mapping[str, Value] = {
    "num_iterations": 400,
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.5,
}
"""Half of the features per tree: rolling statistics repeat each other, and seeds are to differ."""


@dataclass(frozen=True)
class Parameters:
    """Checked parameters: `rounds` is the most trees a booster may have, `values` goes to LightGBM as it is."""

    rounds: int
    values: Mapping[str, Value]

    @property
    def device(self) -> str:
        """`cpu`, or what the schedule asks for: `gpu` or `cuda`."""
        return str(self.values.get("device_type", "cpu"))


def checked_parameters(given: Mapping[str, str]) -> Parameters:
    """The schedule's `model.parameters` over the trainer's defaults, typed.

    Raises InvalidConfiguration naming the parameter that is unknown, refused, given twice or out of bounds.
    """
    values: dict[str, Value] = {}
    for name, text in given.items():
        field = f"model.parameters.{name}"
        canonical = _ALIASES.get(name, name)
        if reason := _REFUSED.get(canonical):
            raise InvalidConfiguration(f"{field} is refused: {reason}.")
        if canonical in values:
            raise InvalidConfiguration(f"{field} is given twice, also under another name of {canonical}; keep one.")
        values[canonical] = _typed(field, canonical, text.strip())
    merged = {**DEFAULTS, **values}
    rounds = merged.pop("num_iterations")
    return Parameters(rounds=int(rounds), values=merged)


def set_names(given: Mapping[str, str]) -> frozenset[str]:
    """The parameters that the schedule sets, by LightGBM's own names."""
    return frozenset(_ALIASES.get(name, name) for name in given)


def _typed(field: str, name: str, text: str) -> Value:
    if name in _INTEGERS:
        low, high = _INTEGERS[name]
        return int(_bounded(field, text, low, high, whole=True))
    if name in _NUMBERS:
        return _bounded(field, text, *_NUMBERS[name], whole=False)
    if name in _FLAGS:
        if text.lower() in _TRUE + _FALSE:
            return text.lower() in _TRUE
        raise InvalidConfiguration(f"{field} must be true or false, not {text!r}.")
    if name in _CHOICES:
        if text in _CHOICES[name]:
            return text
        why = " since other kinds of boosting cannot be exported exactly" if name == "boosting" else ""
        raise InvalidConfiguration(f"{field} must be {' or '.join(_CHOICES[name])}{why}, not {text!r}.")
    raise InvalidConfiguration(f"{field} is not a parameter that this trainer knows; {_advice(name)}")


def _advice(name: str) -> str:
    """The known name that the unknown one is most like, if any is."""
    known = [*_INTEGERS, *_NUMBERS, *_FLAGS, *_CHOICES, *_ALIASES]
    near = difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1, cutoff=0.7)
    return f"did you mean {_ALIASES.get(near[0], near[0])}?" if near else "remove it or correct its name."


def _bounded(field: str, text: str, low: float, high: float, *, whole: bool) -> float:
    kind = "a whole number" if whole else "a number"
    problem = InvalidConfiguration(f"{field} must be {kind} from {low:g} to {high:g}, not {text!r}.")
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        raise problem from None
    if not low <= value <= high:
        raise problem
    return value
