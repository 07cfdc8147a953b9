"""XGBoost models, as JSON or inside a pickle."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from eagle_trainer.calibrate import sigmoid
from eagle_trainer.errors import ConversionFailed, InvalidConfiguration
from eagle_trainer.foreign.model import Answer, Foreign, names_of, needed, one_output, trees_in_double
from eagle_trainer.series import Floats
from eagle_trainer.trees import TreeTable

_LINKED = ("binary:logistic", "reg:logistic")
_AS_THEY_ARE = ("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror")
_OWN_ROUNDING = 1e-5
"""XGBoost adds its leaves in single precision; further from their exact sum than this it never is."""


def read(path: Path) -> Foreign:
    """The model of a JSON file. Raises InvalidConfiguration."""
    try:
        import xgboost
    except ImportError as error:
        raise needed("XGBoost, which the proof asks for its answers,") from error
    booster = xgboost.Booster()
    try:
        booster.load_model(str(path))
    except xgboost.core.XGBoostError as error:
        told = re.sub(r"^\[[^]]*\] \S+ ", "", str(error).splitlines()[0])  # without the time and XGBoost's own place
        raise InvalidConfiguration(f"{path} is not a model that XGBoost reads: {told}") from error
    return of_booster(booster)


def of_booster(booster: Any) -> Foreign:
    """The model of a booster. Raises InvalidConfiguration naming what cannot be converted."""
    import xgboost

    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    objective, start = _checked(learner)
    linked = objective in _LINKED
    answer: Answer = "probability" if linked else "value"
    trees, leaves = _table(learner["gradient_booster"]["model"]["trees"], start)
    width = int(learner["learner_model_param"]["num_feature"])

    def predict(rows: Floats) -> Floats:
        """The exact sum of the leaves that XGBoost says the rows come to; XGBoost itself rounds the sum."""
        data = xgboost.DMatrix(rows)
        reached = np.asarray(booster.predict(data, pred_leaf=True, strict_shape=True)).reshape(len(rows), -1)
        total = np.full(len(rows), start)
        for number, weights in enumerate(leaves):
            total += weights[reached[:, number].astype(np.int64)]
        exact = sigmoid(total) if linked else total
        apart = np.abs(exact - booster.predict(data)) / np.maximum(1.0, np.abs(exact))
        if not float(apart.max(initial=0.0)) <= _OWN_ROUNDING:
            raise ConversionFailed(
                f"the leaves of the model do not add up to XGBoost's own answers (they differ by {apart.max():.3g});"
                " save the model anew with a recent XGBoost"
            )
        return exact

    return Foreign(
        kind=f"XGBoost, {objective}",
        features=names_of(width, booster.feature_names),
        answer=answer,
        predict=predict,
        double=lambda: trees_in_double(trees, features=width, answer=answer, links=linked, rounds=True),
        single=lambda: _in_single(booster, width, linked=linked),
        trees=trees,
        rounds_inputs=True,
    )


def _checked(learner: dict[str, Any]) -> tuple[str, float]:
    """The objective and the sum before the first tree."""
    objective = str(learner["objective"]["name"])
    if objective not in (*_LINKED, *_AS_THEY_ARE):
        raise InvalidConfiguration(
            f"the model's objective is {objective}; those that can be converted are"
            f" {', '.join((*_LINKED, *_AS_THEY_ARE))}"
        )
    kind = learner["gradient_booster"]["name"]
    if kind != "gbtree":
        raise InvalidConfiguration(f"the model was trained with booster={kind}, and only gbtree can be converted")
    parameters = learner["learner_model_param"]
    base = [float(value) for value in str(parameters["base_score"]).strip("[]").split(",")]
    if int(parameters.get("num_class", 0)) > 1 or int(parameters.get("num_target", 1)) > 1 or len(base) != 1:
        raise InvalidConfiguration("the model has more than one answer; convert one model per class or target")
    if any(any(tree.get("split_type", [])) for tree in learner["gradient_booster"]["model"]["trees"]):
        raise InvalidConfiguration(
            "the model splits by categories (enable_categorical), which is refused; train it on numbers"
        )
    return objective, math.log(base[0] / (1.0 - base[0])) if objective in _LINKED else base[0]


def _table(trees: list[dict[str, Any]], start: float) -> tuple[TreeTable, list[Floats]]:
    """The trees, with `start` in the leaves of the first; and per tree the weights by XGBoost's numbers of nodes.

    XGBoost goes left where the value, in single precision, is below the threshold; that is where it is at most the
    number before the threshold.
    """
    table, leaves = TreeTable(), []
    for tree in trees:
        left, right = tree["left_children"], tree["right_children"]
        conditions = np.array(tree["split_conditions"], np.float32)
        leaves.append(conditions.astype(np.float64))
        bias = 0.0 if table.roots else start
        if left[0] < 0:
            table.add_single_leaf(float(conditions[0]) + bias)
            continue
        table.roots.append(len(table.features))
        index = {}
        for node, child in enumerate(left):
            if child >= 0:
                below = np.nextafter(conditions[node], np.float32(-np.inf))
                index[node] = table.add_split(
                    feature=int(tree["split_indices"][node]),
                    threshold=float(below),
                    missing_true=bool(tree["default_left"][node]),
                )
        for node, place in index.items():
            for on_true, child in ((True, left[node]), (False, right[node])):
                leaf = left[child] < 0
                target = table.add_leaf(float(conditions[child]) + bias) if leaf else index[child]
                table.attach(place, on_true=on_true, index=target, leaf=leaf)
    if not table.roots:
        raise InvalidConfiguration("the model has no trees")
    return table, leaves


def _in_single(booster: Any, width: int, *, linked: bool) -> onnx.ModelProto:
    try:
        from onnxmltools import convert_xgboost
        from onnxmltools.convert.common.data_types import FloatTensorType
    except ImportError as error:
        raise needed("onnxmltools") from error
    booster = booster.copy()
    booster.feature_names = None  # onnxmltools wants f0, f1, … or none
    model = convert_xgboost(booster, initial_types=[("features", FloatTensorType([None, width]))])
    return one_output(model, "probability" if linked else "value")
