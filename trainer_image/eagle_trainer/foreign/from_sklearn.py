"""scikit-learn models, and those of LightGBM and XGBoost, inside a pickle.

Loading a pickle runs whatever code it holds: nobody may come here who has not said that the file is trusted.
"""

import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
from sklearn.base import is_classifier, is_regressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from eagle_trainer.errors import ConversionFailed, InvalidConfiguration
from eagle_trainer.foreign import from_lightgbm, from_xgboost
from eagle_trainer.foreign.model import Answer, Foreign, names_of, needed, one_output, trees_in_double
from eagle_trainer.series import Floats
from eagle_trainer.trees import TreeTable

_SINGLE_TREES = (DecisionTreeClassifier, DecisionTreeRegressor)
_FORESTS = (ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor)
_BOOSTED = (GradientBoostingClassifier, GradientBoostingRegressor)


def read(path: Path) -> Foreign:
    """The model in a trusted pickle. Raises InvalidConfiguration."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", InconsistentVersionWarning)
        try:
            model = joblib.load(path)
        except InconsistentVersionWarning as error:
            raise InvalidConfiguration(
                f"{path} was saved with scikit-learn {error.original_sklearn_version}, and this is"
                f" {error.current_sklearn_version}: its answers may be others here; convert it with the version it"
                " was saved with"
            ) from error
        except Exception as error:  # unpickling runs any code, which may raise anything
            raise InvalidConfiguration(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    return of_model(model)


def of_model(model: Any) -> Foreign:
    """A fitted estimator. Raises InvalidConfiguration for what cannot be converted."""
    kind = f"{type(model).__module__.partition('.')[0]} {type(model).__name__}"
    if hasattr(model, "booster_"):
        return from_lightgbm.of_booster(model.booster_)
    if hasattr(model, "get_booster"):
        booster = model.get_booster()
        best = getattr(model, "best_iteration", None) if booster.attr("best_iteration") else None
        return from_xgboost.of_booster(booster if best is None else booster[: best + 1])
    if not (is_classifier(model) or is_regressor(model)):
        raise InvalidConfiguration(f"the pickle holds a {kind}, which is neither a classifier nor a regressor")
    answer: Answer = "probability" if is_classifier(model) else "value"
    if answer == "probability" and (len(model.classes_) != 2 or not hasattr(model, "predict_proba")):
        raise InvalidConfiguration(f"the {kind} must tell two classes apart and give probabilities")
    width = int(model.n_features_in_)

    def predict(rows: Floats) -> Floats:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that the rows have no names of features
            found = model.predict_proba(rows)[:, 1] if answer == "probability" else model.predict(rows)
        return np.asarray(found, np.float64)

    trees = _trees(model)
    return Foreign(
        kind=kind,
        features=names_of(width, getattr(model, "feature_names_in_", None)),
        answer=answer,
        predict=predict,
        double=lambda: (
            trees_in_double(
                trees, features=width, answer=answer, links=isinstance(model, GradientBoostingClassifier), rounds=True
            )
            if trees
            else _through_skl2onnx(model, width, answer, single=False)
        ),
        single=lambda: _through_skl2onnx(model, width, answer, single=True),
        trees=trees,
        rounds_inputs=trees is not None,
    )


def _trees(model: Any) -> TreeTable | None:
    """The trees whose sum is the answer (for boosted classifiers: its log odds); None for other kinds of models."""
    table = TreeTable()
    if isinstance(model, _SINGLE_TREES):
        _add_tree(table, model, scale=1.0, bias=0.0)
    elif isinstance(model, _FORESTS):
        for tree in model.estimators_:
            _add_tree(table, tree, scale=1.0 / len(model.estimators_), bias=0.0)
    elif isinstance(model, _BOOSTED):
        stages = [tree for stage in model.estimators_ for tree in stage]
        zero = np.zeros((1, model.n_features_in_))
        raw = model.decision_function(zero) if is_classifier(model) else model.predict(zero)
        if is_classifier(model) and model.loss != "log_loss":
            raise InvalidConfiguration(f"the model was trained with loss={model.loss}; only log_loss can be converted")
        start = float(raw[0]) - model.learning_rate * sum(float(tree.predict(zero)[0]) for tree in stages)
        for number, tree in enumerate(stages):
            _add_tree(table, tree, scale=model.learning_rate, bias=0.0 if number else start)
    else:
        return None
    return table


def _add_tree(table: TreeTable, estimator: Any, *, scale: float, bias: float) -> None:
    tree = estimator.tree_
    if tree.n_outputs != 1:
        raise InvalidConfiguration("the model has more than one answer; convert one model per target")
    value = tree.value[:, 0, :]
    weights = (value[:, 1] / value.sum(axis=1) if is_classifier(estimator) else value[:, 0]) * scale + bias
    left, right = tree.children_left, tree.children_right
    if left[0] < 0:
        table.add_single_leaf(float(weights[0]))
        return
    table.roots.append(len(table.features))
    index = {
        int(node): table.add_split(
            feature=int(tree.feature[node]),
            threshold=float(tree.threshold[node]),
            missing_true=bool(tree.missing_go_to_left[node]),
        )
        for node in np.flatnonzero(left >= 0)
    }
    for node, place in index.items():
        for on_true, child in ((True, int(left[node])), (False, int(right[node]))):
            leaf = bool(left[child] < 0)
            target = table.add_leaf(float(weights[child])) if leaf else index[child]
            table.attach(place, on_true=on_true, index=target, leaf=leaf)


def _through_skl2onnx(model: Any, width: int, answer: Answer, *, single: bool) -> onnx.ModelProto:
    try:
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    except ImportError as error:
        raise needed("skl2onnx") from error
    kind = FloatTensorType if single else DoubleTensorType
    options = {"zipmap": False} if answer == "probability" else None
    try:
        found = to_onnx(model, initial_types=[("features", kind([None, width]))], options=options)
    except Exception as error:  # a converter that cannot, raises what it likes
        raise ConversionFailed(
            f"skl2onnx cannot convert this {type(model).__name__}: {str(error).splitlines()[0][:200]}"
        ) from error
    return one_output(found, answer)
