"""LightGBM models, as text or inside a pickle."""

import re
from pathlib import Path

import lightgbm as lgb
import numpy as np

from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.foreign.in_single import graph_in_single
from eagle_trainer.foreign.model import Answer, Foreign, names_of, trees_in_double
from eagle_trainer.trees import tree_table

_TRAPS = {
    "zero_as_missing": (r"^\[zero_as_missing: (1|true)\]", "ONNX cannot tell a measured zero from a missing value"),
    "linear_tree": (
        r"^(\[linear_tree: (1|true)\]|is_linear=1)",
        "trees with linear leaves cannot be expressed in ONNX",
    ),
    "boosting=rf": (
        r"^(average_output|\[boosting: (rf|random_forest)\])",
        "its trees are averaged, and converters sum",
    ),
    "reg_sqrt": (r"^(objective=.*\bsqrt\b|\[reg_sqrt: (1|true)\])", "the square root of the answer is lost in ONNX"),
}
"""Settings with which converters write wrong models without a word, and why."""
_AS_THEY_ARE = (
    "regression",
    "regression_l1",
    "huber",
    "fair",
    "quantile",
    "mape",
    "lambdarank",
    "rank_xendcg",
    "custom",
)
_LINKED = ("binary", "cross_entropy")


def read(path: Path) -> Foreign:
    """The model of a text file. Raises InvalidConfiguration."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if re.search(r"^end of trees$", text, re.MULTILINE) is None:
        raise InvalidConfiguration(f"{path} ends before the model does; save the model anew")
    try:
        return of_booster(lgb.Booster(model_str=text))
    except lgb.basic.LightGBMError as error:
        raise InvalidConfiguration(f"{path} is not a model that LightGBM reads: {error}") from error


def of_booster(booster: lgb.Booster) -> Foreign:
    """The model of a booster. Raises InvalidConfiguration naming the setting that cannot be converted."""
    booster, text = as_saved(booster)
    objective, slope = _objective(text)
    if booster.num_model_per_iteration() != 1:
        raise InvalidConfiguration("the model tells more than two classes apart; convert one model per class")
    linked = objective in _LINKED
    answer: Answer = "probability" if linked else "value"
    trees = tree_table([booster], slope=slope, offset=0.0)
    width = booster.num_feature()
    return Foreign(
        kind=f"LightGBM, {objective}",
        features=names_of(width, booster.feature_name()),
        answer=answer,
        predict=lambda rows: np.asarray(booster.predict(rows), np.float64),
        double=lambda: trees_in_double(trees, features=width, answer=answer, links=linked, rounds=False),
        single=lambda: graph_in_single([text], width, answer, slope=slope, offset=0.0, links=linked),
        trees=trees,
    )


def as_saved(booster: lgb.Booster) -> tuple[lgb.Booster, str]:
    """The booster as its text says it, with nothing of its training, and the text.

    Raises InvalidConfiguration naming the setting with which converters go wrong.
    """
    text = booster.model_to_string()
    for name, (pattern, why) in _TRAPS.items():
        if re.search(pattern, text, re.MULTILINE):
            raise InvalidConfiguration(f"the model was trained with {name}, which is refused: {why}")
    return lgb.Booster(model_str=text), text


def _objective(text: str) -> tuple[str, float]:
    """The objective's name, and by what the sum of trees is multiplied to be log odds."""
    found = re.search(r"^objective=(.*)$", text, re.MULTILINE)
    words = found[1].split() if found else ["custom"]
    if words[0] not in (*_AS_THEY_ARE, *_LINKED):
        raise InvalidConfiguration(
            f"the model's objective is {words[0]}; those that can be converted are"
            f" {', '.join((*_LINKED, *_AS_THEY_ARE[:-1]))}"
        )
    sigmoid = [float(word.partition(":")[2]) for word in words[1:] if word.startswith("sigmoid:")]
    return words[0], sigmoid[0] if sigmoid else 1.0
