"""The card's numbers are true: a program that shares nothing with the trainer gets them from the raw tables."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.bench.card_numbers import agrees, judged_in, main, recompute, shown
from tests.support.bundles import organization_keys

from eagle_contract.api import TrainingScheduleSpec, resolve
from eagle_contract.bundle import BundleContents, BundleIdentity, open_store, publish
from eagle_trainer.pipeline import Task, train
from eagle_trainer.progress import Stopwatch
from eagle_trainer.publishing import Run, contents_of
from eagle_trainer.sources.files import Files
from eagle_trainer.synthesize import synthesize

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """What a training came to, the folder that it is written to, and the tables that it was made from."""

    contents: BundleContents
    out: Path
    data: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    data, out = tmp_path_factory.mktemp("tables"), tmp_path_factory.mktemp("out")
    synthesize(data, assets=12, days=60, period_seconds=7200, sensors=3, seed=3, now=NOW, noise=0.4)
    manifest = yaml.safe_load((data / "schedule.yaml").read_text())["spec"]
    manifest["model"]["parameters"] = {"num_iterations": "25", "num_leaves": "7", "learning_rate": "0.2"}
    spec = TrainingScheduleSpec.model_validate(manifest)
    task = Task(spec=spec, resolved=resolve(spec), now=NOW, threads=1)
    trained = train(Files(data), task, Stopwatch(()))
    run = Run(
        organization="acme",
        schedule="plant",
        schedule_uid="local",
        generation=0,
        run_time=NOW,
        attempt=1,
        pod_uid="local",
        image="",
    )
    _, contents = contents_of(trained, task, run)
    assert contents.judged is not None
    (out / "judged.onnx").write_bytes(contents.judged)
    (out / "card.html").write_bytes(contents.card)
    (out / "manifest.json").write_bytes(contents.manifest.to_bytes())
    return Made(contents, out, data)


def test_every_number_agrees_to_its_last_digit_with_one_from_the_raw_tables(made: Made) -> None:
    found = recompute(made.out, made.data, judged_in(made.out))
    told = shown((made.out / "card.html").read_text(encoding="utf-8"))
    assert len({name for name, _ in told}) >= 20
    differing = [(name, text, found.get(name)) for name, text in told if not agrees(text, found.get(name, np.nan))]
    assert differing == []


def test_the_numbers_of_a_published_bundle_agree_as_well(made: Made, tmp_path: Path) -> None:
    keys = organization_keys()
    store = open_store((tmp_path / "store").as_uri(), {})
    identity = BundleIdentity.of(made.contents.manifest)
    artifact = publish(store, store.url, identity, made.contents, keyring=keys.keyring, signer=keys.signer)
    assert main(Path(artifact.uri.removeprefix("file://")), made.data, *keys.write(tmp_path)) == 0


def test_a_number_that_is_off_in_its_last_digit_is_noticed() -> None:
    assert agrees("0.477", 0.47670567)
    assert not agrees("0.478", 0.47670567)
    assert agrees("93.4\u202f%", 0.93390233)
    assert not agrees("93.3\u202f%", 0.93390233)
    assert agrees("1\u2009204", 1204.0)
    assert agrees("\u22122.750", -2.75)
    assert not agrees("2.750", -2.75)
