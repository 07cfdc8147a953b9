"""The process as a whole, before an API server that is not there: what probes are told, and that it ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.support.ports import free_port

from eagle_operator.process import Process
from eagle_operator.settings import from_environment

WORKERS = 3


class Begun:
    """A process that was started, and whoever asks for its health."""

    def __init__(self, process: Process, health: str, metrics: str) -> None:
        self.process, self._health, self.metrics = process, health, metrics

    async def ask(self, page: str) -> tuple[int, str]:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{self._health}/{page}")
        return answer.status_code, answer.text


def tasks() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks()}


@pytest.fixture
async def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Begun]:
    nowhere = {"cluster": {"server": f"http://127.0.0.1:{free_port()}"}, "name": "x"}
    config = {
        "current-context": "x",
        "clusters": [nowhere],
        "users": [{"name": "x", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    health, metrics = free_port(), free_port()
    settings = from_environment(
        {
            "EAGLE_TRAINER_IMAGE": "t",
            "EAGLE_SERVING_IMAGE": "s",
            "EAGLE_HEALTH_ADDRESS": f"http://127.0.0.1:{health}",
            "EAGLE_METRICS_PORT": str(metrics),
            "EAGLE_WORKERS": str(WORKERS),
        }
    )
    process = Process(settings, "one")
    await process.start()
    yield Begun(process, f"http://127.0.0.1:{health}", f"http://127.0.0.1:{metrics}/metrics")
    await process.stop()


async def test_without_an_api_server_it_is_alive_and_not_ready_and_may_not_write(begun: Begun) -> None:
    assert await begun.ask("healthz") == (200, "starting\n")
    assert (await begun.ask("readyz"))[0] == 500
    assert not begun.process.may_write()


@pytest.mark.parametrize("name", ["lease", "turns", "admission", "freshness", "wall-clock", "worker-2"])
async def test_a_task_that_ended_fails_the_probe_and_is_named(begun: Begun, name: str) -> None:
    (task,) = (task for task in asyncio.all_tasks() if task.get_name() == name)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await begun.ask("healthz") == (500, f"ended: {name}\n")


async def test_it_leaves_nothing_behind_when_it_stops_and_stopping_twice_is_stopping_once(begun: Begun) -> None:
    async with asyncio.timeout(10):
        while "resync" not in tasks():
            await asyncio.sleep(0.01)
    before = tasks()
    assert {"lease", "resync", "worker-0"} <= before
    async with asyncio.timeout(10):
        await begun.process.stop()
        await begun.process.stop()
    assert not {"lease", "turns", "resync", "admission", "worker-0"} & tasks()
    with pytest.raises(httpx.ConnectError):
        await begun.ask("healthz")


async def test_its_metrics_say_that_it_does_not_lead(begun: Begun) -> None:
    async with httpx.AsyncClient() as client:
        text = (await client.get(begun.metrics)).text
    assert "\neagle_leader 0.0\n" in text
    assert '\neagle_watch_age_seconds{kind="Job"}' in text
    assert "_created" not in text
