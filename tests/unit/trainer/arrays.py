"""Small data for the trainer's tests, built through the product's own steps."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from eagle_trainer.features import FeatureBlocks, Windows
from eagle_trainer.labels import complete_rows
from eagle_trainer.plan import FeaturePlan
from eagle_trainer.resample import resample
from eagle_trainer.series import SECOND, Floats, LabelEvents, Samples, Series, Telemetry

PERIOD = 60
STEP = PERIOD * SECOND
START = 1_700_000_000 * SECOND // STEP * STEP


def plan(
    *,
    sensors: Sequence[str] = ("a", "b", "c"),
    lags: Sequence[int] = (1, 4),
    windows: Sequence[int] = (3, 7),
    missing: str = "Propagate",
    context: Sequence[str] = (),
) -> FeaturePlan:
    """A plan whose windows overlap its lags."""
    assert missing in ("Propagate", "Skip")
    return FeaturePlan(
        sensors=tuple(sensors),
        period_seconds=PERIOD,
        lags=tuple(lags),
        windows=tuple(windows),
        missing="Skip" if missing == "Skip" else "Propagate",
        context=tuple(context),
    )


def telemetry(
    values: Floats, *, assets: int = 1, time: npt.ArrayLike | None = None, label: Floats | None = None
) -> Telemetry:
    """Rows [assets * N, S], asset by asset, one a period unless `time` says otherwise."""
    each = len(values) // assets
    regular = np.tile(START + np.arange(each) * STEP, assets)
    return Telemetry(
        assets=tuple(f"machine {number}" for number in range(assets)),
        sensors=tuple("abcdefgh"[: values.shape[1]]),
        asset=np.repeat(np.arange(assets), each),
        time=regular if time is None else np.asarray(time, np.int64),
        values=values,
        label=label,
    )


def series(values: Floats, *, assets: int = 1, label: Floats | None = None, longest_gap: int = 100) -> Series:
    """The same on the grid."""
    return resample(telemetry(values, assets=assets, label=label), period_seconds=PERIOD, longest_gap=longest_gap)


def samples_at(
    time: npt.ArrayLike, target: npt.ArrayLike, *, asset: npt.ArrayLike = 0, horizon: int = 0, row: npt.ArrayLike = -1
) -> Samples:
    """Samples at moments in microseconds."""
    moments = np.asarray(time, np.int64)
    rows = np.arange(len(moments)) if np.isscalar(row) else np.asarray(row, np.int64)
    return Samples(
        row=rows,
        asset=np.broadcast_to(np.asarray(asset, np.int64), moments.shape),
        time=moments,
        until=moments + horizon,
        target=np.asarray(target, float),
    )


def events(*spans: tuple[int, int, int], positive: Sequence[bool] | None = None) -> LabelEvents:
    """Events given as (asset, start, end)."""
    columns = np.array(spans, np.int64).reshape(-1, 3)
    flags = np.ones(len(spans), bool) if positive is None else np.array(positive, bool)
    return LabelEvents(asset=columns[:, 0], start=columns[:, 1], end=columns[:, 2], positive=flags)


def feature_rows(
    found: Series, chosen_plan: FeaturePlan, context: Floats | None = None
) -> tuple[Samples, FeatureBlocks]:
    """All complete rows of a series as samples, and their features."""
    rows = complete_rows(found, chosen_plan.window_length)
    samples = samples_at(found.time[rows], np.zeros(len(rows)), asset=found.asset[rows], row=rows)
    given = np.zeros((len(rows), 0)) if context is None else context
    windows = Windows(found, samples, given, chosen_plan.window_length)
    return samples, FeatureBlocks(chosen_plan, windows, threads=1)


def all_features(found: Series, chosen_plan: FeaturePlan) -> tuple[Samples, Floats]:
    """Samples and their features [N,F]."""
    samples, blocks = feature_rows(found, chosen_plan)
    return samples, blocks.matrix(np.arange(len(samples)))
