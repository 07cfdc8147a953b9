"""LightGBM models, as text or inside a pickle."""

import re
from pathlib import Path

import lightgbm as lgb
import numpy as np
import onnx

from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.foreign.model import Answer, Foreign, names_of, needed, one_output, trees_in_double
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
    text = path.read_text(encoding="utf-8")
    try:
        return of_booster(lgb.Booster(model_str=text))
    except lgb.basic.LightGBMError as error:
        raise InvalidConfiguration(f"{path} is not a model that LightGBM reads: {error}") from error


def of_booster(booster: lgb.Booster) -> Foreign:
    """The model of a booster. Raises InvalidConfiguration naming the setting that cannot be converted."""
    text = booster.model_to_string()
    for name, (pattern, why) in _TRAPS.items():
        if re.search(pattern, text, re.MULTILINE):
            raise InvalidConfiguration(f"the model was trained with {name}, which is refused: {why}")
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
        single=lambda: _in_single(text, width, linked=linked),
        trees=trees,
    )


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


def _in_single(text: str, width: int, *, linked: bool) -> onnx.ModelProto:
    """Through onnxmltools, with every threshold rounded down first.

    onnxmltools rounds thresholds to the nearest number in single precision; where that is above the threshold, rows on
    it go to the wrong side. Rounded down, all inputs in single precision go where LightGBM sends them.
    """
    try:
        from onnxmltools import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType
    except ImportError as error:
        raise needed("onnxmltools") from error
    # The sizes of the trees in the text are no longer right, and LightGBM reads it without them.
    text = re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^threshold=(.*)$", lambda line: f"threshold={_rounded_down(line[1])}", text, flags=re.MULTILINE)
    booster = lgb.Booster(model_str=text)
    model = convert_lightgbm(booster, initial_types=[("features", FloatTensorType([None, width]))], zipmap=False)
    return one_output(model, "probability" if linked else "value")


def _rounded_down(thresholds: str) -> str:
    exact = [float(word) for word in thresholds.split()]
    nearest = [np.float32(value) for value in exact]
    lower = [
        near if float(near) <= value else np.nextafter(near, np.float32(-np.inf))
        for near, value in zip(nearest, exact, strict=True)
    ]
    return " ".join(repr(float(value)) for value in lower)
