"""Parameters are typed and bounded; what is unknown or dangerous is refused by its name."""

import lightgbm as lgb
import pytest

from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.fit import lightgbm_parameters
from eagle_trainer.parameters import DEFAULTS, checked_parameters, set_names


def test_without_parameters_the_defaults_apply() -> None:
    found = checked_parameters({})
    assert found.rounds == DEFAULTS["num_iterations"]
    assert found.values == {name: value for name, value in DEFAULTS.items() if name != "num_iterations"}


def test_text_becomes_what_lightgbm_expects() -> None:
    found = checked_parameters(
        {"n_estimators": "50", "eta": " 0.1 ", "extra_trees": "True", "data_sample_strategy": "goss", "max_depth": "-1"}
    )
    assert found.rounds == 50
    assert found.values["learning_rate"] == 0.1
    assert found.values["extra_trees"] is True
    assert found.values["data_sample_strategy"] == "goss"
    assert found.values["max_depth"] == -1


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("zero_as_missing", "true", "is refused"),
        ("linear_tree", "true", "linear leaves cannot be exported exactly"),
        ("reg_sqrt", "true", "lost in the export"),
        ("boosting", "rf", "other kinds of boosting cannot be exported exactly"),
        ("boosting", "dart", "cannot be exported exactly"),
        ("categorical_feature", "0", "source.attributes"),
        ("objective", "regression", "must be binary"),
        ("seed", "5", "set model.seed instead"),
        ("num_threads", "64", "follows the pod's CPU limit"),
        ("n_jobs", "64", "follows the pod's CPU limit"),
        ("device_type", "tpu", "must be cpu or gpu or cuda, not 'tpu'"),
        ("num_leafs", "31", "not a parameter that this trainer knows; did you mean num_leaves?"),
        ("Learning-Rate", "0.1", "did you mean learning_rate?"),
        ("early_stopping_round", "10", "chooses the rounds by folds"),
        ("input_model", "/etc/passwd", "not a parameter that this trainer knows"),
        ("forcedsplits_filename", "/tmp/x", "not a parameter that this trainer knows"),
        ("learning_rates", "0.1", "not a parameter that this trainer knows"),
        ("learning_rate", "fast", "must be a number from 0.0001 to 1, not 'fast'"),
        ("learning_rate", "nan", "must be a number"),
        ("learning_rate", "0", "must be a number"),
        ("num_leaves", "31.5", "must be a whole number from 2 to 1024, not '31.5'"),
        ("num_leaves", "1000000", "must be a whole number"),
        ("num_iterations", "0", "must be a whole number from 1 to 5000"),
        ("extra_trees", "maybe", "must be true or false, not 'maybe'"),
    ],
)
def test_what_cannot_be_is_refused_by_name(name: str, value: str, why: str) -> None:
    with pytest.raises(InvalidConfiguration) as refusal:
        checked_parameters({name: value})
    assert str(refusal.value).startswith(f"model.parameters.{name} ")
    assert why in str(refusal.value)


def test_one_parameter_under_two_names_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="given twice, also under another name of learning_rate"):
        checked_parameters({"learning_rate": "0.1", "eta": "0.2"})


def test_the_names_that_a_schedule_sets_are_lightgbms_own() -> None:
    assert set_names({"eta": "0.1", "num_leaves": "7"}) == {"learning_rate", "num_leaves"}


def test_a_device_other_than_the_cpu_sums_in_double_precision() -> None:
    told = lightgbm_parameters(checked_parameters({"device": "gpu"}), seed=3, threads=2)
    assert (told["device_type"], told["gpu_use_dp"]) == ("gpu", True)
    assert "force_col_wise" not in told
    assert "device_type" not in lightgbm_parameters(checked_parameters({}), seed=3, threads=2)


def test_lightgbm_knows_every_accepted_alias() -> None:
    known = {
        alias: name for name, aliases in lgb.basic._ConfigAliases._get_all_param_aliases().items() for alias in aliases
    }
    from eagle_trainer.parameters import _ALIASES

    assert {alias: known.get(alias) for alias in _ALIASES} == _ALIASES


def test_the_schedule_cannot_overrule_what_makes_runs_repeatable() -> None:
    told = lightgbm_parameters(checked_parameters({"num_leaves": "5"}), seed=3, threads=2)
    assert told["seed"] == told["data_random_seed"] == 3
    assert told["deterministic"] is True
    assert told["num_threads"] == 2
    assert told["num_leaves"] == 5
