"""The features of a model, as data: what the graph computes, in which order, under which names."""

from dataclasses import dataclass
from itertools import product
from typing import Literal

STATISTICS = ("mean", "std", "min", "max")
"""Of every rolling window; std is the sample's (n - 1)."""


@dataclass(frozen=True, kw_only=True)
class FeaturePlan:
    """Which features a model has.

    `sensors` are the columns of `window` in order, `lags` whole samples back (without 0, the value itself), `windows`
    in samples, `context` the names of the columns of the `context` input in order (empty: there is no such input).
    `categorical` are those of them that are codes of categories: their order means nothing.
    """

    sensors: tuple[str, ...]
    period_seconds: int
    lags: tuple[int, ...]
    windows: tuple[int, ...]
    missing: Literal["Propagate", "Skip"] = "Propagate"
    context: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()

    @property
    def categorical_features(self) -> tuple[int, ...]:
        """The positions of the categorical columns among the features."""
        first = len(self.names) - len(self.context)
        return tuple(first + self.context.index(name) for name in self.categorical)

    @property
    def window_length(self) -> int:
        """T: how many samples, the newest included, the model needs to see."""
        return max([lag + 1 for lag in self.lags] + list(self.windows) + [1])

    @property
    def span_seconds(self) -> int:
        """The time between the oldest and the newest sample of a window."""
        return (self.window_length - 1) * self.period_seconds

    @property
    def names(self) -> tuple[str, ...]:
        """The name of every feature, in the graph's order: lag by lag, statistic by statistic, then context."""
        lagged = [
            sensor if lag == 0 else f"{sensor}__lag_{lag * self.period_seconds}s"
            for lag, sensor in product((0, *self.lags), self.sensors)
        ]
        rolled = [
            f"{sensor}__{statistic}_{window}"
            for statistic, window, sensor in product(STATISTICS, self.windows, self.sensors)
        ]
        return (*lagged, *rolled, *self.context)
