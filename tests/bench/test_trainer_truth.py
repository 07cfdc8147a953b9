"""How near a trained model comes to the best that is possible, on a made-up fleet whose truth is known."""

import time
from pathlib import Path

import pytest
from tests.unit.trainer.truths import NOW, train_on_windows

from eagle_trainer.synthesize import synthesize

SAMPLES, HOUR = 4000, 3600


def test_a_large_fleet_comes_within_three_percent_of_the_best(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started = time.monotonic()
    days = -(-SAMPLES // 24)
    made = synthesize(tmp_path, assets=200, days=days, period_seconds=HOUR, sensors=4, seed=3, now=NOW, noise=0.6)
    synthesized = time.monotonic() - started
    found = train_on_windows(made, threads=2)
    with capsys.disabled():
        print(
            f"\n  {made.rows:,} rows, {made.failures:,} failures, made in {synthesized:.0f} s:"
            f" average precision {found.reached:.4f} of {found.best:.4f} possible, {found.share:.1%},"
            f" in {time.monotonic() - started:.0f} s in all;"
            f" {found.trained.rounds} rounds, ONNX {len(found.trained.model) / 1e6:.1f} MB",
            end="",
        )
    assert found.trained.judgement.evaluation.beats_baseline
    assert 0.97 <= found.share <= 1.01
