"""What the demo's parts promise to the demo and to the end-to-end tests, without any cluster."""

import http.server
import json
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "dev" / "demo"))

from eagledemo import questions, runs
from eagledemo.asker import Asker, Tally
from eagledemo.dataset import EXAMPLES, Table, copy_rows, read_tables, shift_to
from eagledemo.kube import names_own_cluster
from eagledemo.organizations import is_built_here
from eagledemo.watching import condition
from localcluster.paths import Paths

NOW = datetime(2026, 11, 23, 20, 40)


@pytest.fixture(scope="module")
def fleet() -> list[Table]:
    return read_tables(EXAMPLES / "fleet")


def test_data_end_within_the_hour_before_now_and_keep_their_minutes(fleet: list[Table]) -> None:
    shift = shift_to(fleet, NOW)
    newest = max(moment for table in fleet if (moment := table.last_moment()) is not None)
    assert shift % timedelta(hours=1) == timedelta(0)
    assert timedelta(0) <= NOW - (newest + shift) < timedelta(hours=1)


def test_rows_are_copied_in_utc_moved_and_otherwise_as_they_are() -> None:
    content = pa.table({"ts": [datetime(2015, 1, 1, 6)], "machine_id": [3], "error_id": ["error1"]})
    table = Table("errors", content)
    (block,) = copy_rows(table, timedelta(hours=2))
    assert block == '"2015-01-01 08:00:00.000000Z",3,"error1"\n'
    assert table.definition() == "ts timestamptz, machine_id integer, error_id text"


def test_a_table_without_time_is_copied_as_it_is() -> None:
    table = Table("machines", pa.table({"machine_id": [1], "age": [18]}))
    assert list(copy_rows(table, timedelta(hours=5))) == ["1,18\n"]
    assert table.last_moment() is None


@pytest.mark.parametrize("second", [0, 34, 35, 59])
def test_a_slot_is_a_full_minute_and_leaves_the_delay(second: int) -> None:
    now = datetime(2026, 11, 23, 23, 59, second, tzinfo=UTC)
    schedule, slot = runs.with_slot_after(
        {"spec": {"schedule": "@weekly", "suspend": False}}, now, timedelta(seconds=25)
    )
    assert slot.second == 0
    assert timedelta(seconds=25) <= slot - now <= timedelta(seconds=85)
    assert schedule["spec"] == {"schedule": f"{slot.minute} {slot.hour} * * *", "suspend": False, "timeZone": "Etc/UTC"}


def test_a_question_holds_the_newest_samples_and_the_context_as_the_model_defines_it(fleet: list[Table]) -> None:
    event = {"windowSeconds": 604_800, "latencySeconds": 0}
    description = {
        "parameters": {
            "sensors": ["rotation", "voltage"],
            "windowLength": 2,
            "contextDefinitions": [
                {"statistic": "count", "source": "error", "kind": "error1", **event},
                {"statistic": "hours_since", "source": "error", "kind": "error1", **event},
                {"statistic": "hours_since", "source": "error", "kind": "error9", **event},
                {"statistic": "attribute", "source": "age"},
                {"statistic": "attribute", "source": "model", "categories": ["model1", "model3"]},
                {"statistic": "attribute", "source": "model", "categories": ["model1"]},
            ],
        }
    }
    schedule = runs.read_schedule(EXAMPLES / "fleet" / "schedule.yaml")
    moment = questions.Moment(1, datetime(2015, 1, 3, 9), "two hours after error1")
    window, context = questions.question(description, schedule, fleet, moment)["inputs"]
    telemetry = next(table.content for table in fleet if table.name == "telemetry").to_pylist()
    rows = [row for row in telemetry if row["machine_id"] == 1 and row["ts"] <= moment.time][-2:]
    assert window["shape"] == [1, 2, 2]
    assert window["data"] == [rows[0]["rotate"], rows[0]["volt"], rows[1]["rotate"], rows[1]["volt"]]
    assert context["shape"] == [1, 6]
    assert context["data"] == [1.0, 2.0, None, 18.0, 1.0, None]


def test_the_moments_are_what_they_are_said_to_be(fleet: list[Table]) -> None:
    failing = questions.before_last_failure(fleet, timedelta(hours=12))
    healthy = questions.far_from_failure(fleet, failing, timedelta(days=7))
    failures = next(table.content for table in fleet if table.name == "failures").to_pylist()
    assert any(
        row["machine_id"] == failing.asset and row["ts"] == failing.time + timedelta(hours=12) for row in failures
    )
    assert not any(
        row["machine_id"] == healthy.asset and abs(row["ts"] - healthy.time) < timedelta(days=7) for row in failures
    )


class Model(http.server.BaseHTTPRequestHandler):
    """Answers two questions well, and every third with an error."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked += 1
        status = 503 if type(self).asked % 3 == 0 else 200
        body = json.dumps({"model_version": "v1"} if status == 200 else {"error": "busy"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def model() -> Iterator[str]:
    Model.asked = 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v2/models/m/infer"
        server.shutdown()
        thread.join()


def tally(url: str, capsys: pytest.CaptureFixture[str], *, questions_asked: int) -> Tally:
    asker = Asker(url, b"{}", 0.001)

    def stop_after() -> None:
        while asker.asked < questions_asked:
            asker.over.wait(0.01)
        asker.over.set()

    stopper = threading.Thread(target=stop_after)
    stopper.start()
    asker.run()
    stopper.join()
    return Tally(**json.loads(capsys.readouterr().out.splitlines()[-1]))


def test_every_answer_but_200_counts_as_failed(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    counted = tally(model, capsys, questions_asked=30)
    assert counted.asked == Model.asked >= 30
    assert counted.failed == counted.asked // 3
    assert counted.versions == {"v1": counted.asked - counted.failed}
    assert "status 503" in counted.failures[0]


def test_a_refused_connection_counts_as_failed(capsys: pytest.CaptureFixture[str]) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Model) as closed:
        port = closed.server_port
    counted = tally(f"http://127.0.0.1:{port}/", capsys, questions_asked=4)
    assert counted.failed == counted.asked >= 4
    assert "ConnectionRefusedError" in counted.failures[0]


def test_a_condition_that_is_not_there_says_nothing() -> None:
    assert condition({}, "Ready") == {"type": "Ready", "status": "Unknown", "reason": "", "message": ""}


def test_the_users_cluster_is_told_from_the_local_one(paths: Paths) -> None:
    assert names_own_cluster({"KUBECONFIG": "/elsewhere/config"}, paths)
    assert not names_own_cluster({"KUBECONFIG": str(paths.admin_kubeconfig)}, paths)
    assert not names_own_cluster({"KUBECONFIG": ""}, paths)


@pytest.mark.parametrize(
    ("reference", "built"),
    [
        ("localhost/eagle-operator:dev-0123456789ab", True),
        ("registry.example/eagle/eagle-operator:dev-0123456789ab", True),
        ("registry.example/eagle-operator:0.1.0", False),
        ("", False),
    ],
)
def test_only_an_operator_from_a_working_tree_is_taken_for_the_demos(reference: str, built: bool) -> None:
    assert is_built_here({"images": {"operator": {"reference": reference}}}) is built
