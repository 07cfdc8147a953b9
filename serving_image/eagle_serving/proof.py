"""Whether a model answers here as it did for the trainer: other hardware and another runtime show here."""

from collections.abc import Mapping

import numpy as np

from eagle_contract.bundle import Golden
from eagle_serving.errors import GoldenMismatch
from eagle_serving.models import Array, Model

TOLERANCE = 1e-9
"""Of a probability; alarms and confidences must be equal."""

_ADVICE = "use a server image of the trainer's release or train again"


def prove(model: Model, golden: Golden) -> None:
    """Returns when the model reproduces every golden prediction. Raises GoldenMismatch."""
    feeds: dict[str, Array] = {"window": golden.window}
    if golden.context is not None:
        feeds["context"] = golden.context
    _confirm_form(model, feeds)
    names = [tensor.name for tensor in model.outputs]
    answers = dict(zip(names, model.run(feeds, names), strict=True))
    _confirm_probabilities(answers["failure_probability"], golden.failure_probability)
    for name in ("alarm", "confident"):
        _confirm_decisions(name, answers[name], getattr(golden, name))


def _confirm_form(model: Model, feeds: Mapping[str, Array]) -> None:
    found = {name: array.shape[1:] for name, array in feeds.items()}
    expected = {tensor.name: tensor.shape[1:] for tensor in model.inputs}
    if found != expected:
        raise GoldenMismatch(f"the golden predictions have inputs {found}, the model has {expected}; train again")


def _confirm_probabilities(given: Array, expected: Array) -> None:
    apart = np.where(np.isnan(given) & np.isnan(expected), 0.0, np.abs(given - expected))
    wrong = np.flatnonzero(~(apart <= TOLERANCE))
    if wrong.size:
        row = wrong[0]
        raise GoldenMismatch(
            f"golden window {row} gives failure_probability {given[row]!s} here, but {expected[row]!s} in training"
            f" ({wrong.size} of {len(given)} windows differ by more than {TOLERANCE:g}); {_ADVICE}"
        )


def _confirm_decisions(name: str, given: Array, expected: Array) -> None:
    wrong = np.flatnonzero(given != expected)
    if wrong.size:
        row = wrong[0]
        raise GoldenMismatch(
            f"golden window {row} gives {name} {given[row]!s} here, but {expected[row]!s} in training"
            f" ({wrong.size} of {len(given)} windows differ); {_ADVICE}"
        )
