"""Workers that learn together come to one model, as good as one worker's; and none outlives another in vain."""

import hashlib
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Event, Thread

import lightgbm as lgb
import numpy as np
import pytest
from tests.support.ports import free_port
from tests.unit.trainer.arrays import feature_rows, plan, series

from eagle_trainer import fit
from eagle_trainer.errors import InsufficientData, InvalidConfiguration, TrainingEnded, WorkerLost
from eagle_trainer.features import FeatureBlocks
from eagle_trainer.parameters import checked_parameters
from eagle_trainer.series import Floats
from eagle_trainer.team.alone import ALONE, Team
from eagle_trainer.team.helper import help_out
from eagle_trainer.team.leader import Leader
from eagle_trainer.team.network import Network, is_of_network
from eagle_trainer.team.wire import Connection, ConnectionLost, Inbox

ROWS = 1600
SMALL = {"num_iterations": "30", "num_leaves": "7", "min_data_in_leaf": "20", "feature_fraction": "0.7"}

HELPER = """
import hashlib, sys
import lightgbm as lgb
from eagle_trainer.errors import TrainingEnded
from eagle_trainer.team.helper import help_out

grown = {}
add_tree = lgb.Booster.update
def update(booster):
    grown[id(booster)] = booster
    return add_tree(booster)
lgb.Booster.update = update
worker, port, learning = (int(word) for word in sys.argv[1:])
try:
    help_out(worker, run="r", leader=("127.0.0.1", port), learning_port=learning, threads=1, patience_seconds=20)
except TrainingEnded as ended:
    print("ended:", ended)
    sys.exit(int(ended.exit_code))
for booster in grown.values():
    print(hashlib.sha256(booster.model_to_string().split("parameters:")[0].encode()).hexdigest())
"""

LEADER = """
import sys
import numpy as np
from tests.support.ports import free_port
from tests.unit.trainer.test_team import data_of_noise
from eagle_trainer.errors import TrainingEnded
from eagle_trainer.team.leader import Leader

try:
    with Leader(2, run="r", port=0, learning_port=free_port(), patience_seconds=20, host="127.0.0.1") as team:
        print(team.port, flush=True)
        data, settings = data_of_noise()
        booster = team.booster(settings, data, None)
        for number in range(10**6):
            team.grow(booster)
            if number == 3:
                print("grows", flush=True)
except TrainingEnded as ended:
    print("ended:", ended, flush=True)
    import os
    os._exit(int(ended.exit_code))
"""


def data_of_noise() -> tuple[lgb.Dataset, dict[str, int | float | bool | str]]:
    """A dataset that trees can be grown on for ever, and its settings."""
    random = np.random.default_rng(1)
    settings = fit.lightgbm_parameters(checked_parameters({"num_leaves": "4"}), seed=7, threads=1)
    return lgb.Dataset(random.normal(size=(400, 4)), label=random.random(400) < 0.5, params=settings).construct(), {
        **settings
    }


Program = subprocess.Popen[str]
Begin = Callable[..., Program]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Begins Python programs that run meanwhile; none outlives the test."""
    programs: list[Program] = []

    def begin(program: str, *words: object) -> Program:
        command = [sys.executable, "-c", program, *map(str, words)]
        programs.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return programs[-1]

    yield begin
    for program in programs:
        program.kill()
        program.communicate()


def ended(program: Program) -> tuple[int, list[str]]:
    """Its exit code, and what it said since, but for its log and LightGBM's."""
    said, _ = program.communicate(timeout=120)
    return program.returncode, [line for line in said.splitlines() if not line.startswith(("{", "["))]


def heard(program: Program) -> str:
    """The next line that it says, but for its log."""
    assert program.stdout
    return next(line.strip() for line in program.stdout if not line.startswith(("{", "[")))


@contextmanager
def team_of(
    size: int, begin: Begin, end: AbstractContextManager[object] | None = None
) -> Iterator[tuple[Leader, list[Program]]]:
    """A leader in this process, and its helpers in others; `end` is how it is to end."""
    with (
        end or nullcontext(),
        Leader(size, run="r", port=0, learning_port=free_port(), patience_seconds=60, host="127.0.0.1") as team,
    ):
        yield team, [begin(HELPER, worker, team.port, free_port()) for worker in range(1, size)]


class Learning:
    """Rows with noise, folds of them, and what a team learns from them."""

    def __init__(self) -> None:
        random = np.random.default_rng(3)
        values = random.normal(size=(ROWS, 3))
        self.target: Floats = (values[:, 0] + 0.5 * values[:, 1] + random.normal(0, 0.7, ROWS) > 1.0).astype(float)
        owner = np.repeat(np.arange(2), ROWS // 2)
        self.folds = [(owner != fold, owner == fold) for fold in range(2)]
        self.blocks: FeatureBlocks = feature_rows(series(values), plan(lags=(), windows=()))[1]
        self.rows = np.arange(ROWS)
        self.parameters = checked_parameters(SMALL)

    def data(self) -> lgb.Dataset:
        """All rows, binned."""
        return fit.dataset(self.blocks, self.rows, self.target, self.parameters, seed=7, threads=1)

    def choice(self, data: lgb.Dataset, team: Team) -> fit.RoundsChoice:
        """The number of rounds that the team chooses."""
        return fit.choose_rounds(
            data,
            self.blocks,
            self.rows,
            self.target,
            self.folds,
            self.parameters,
            seed=7,
            threads=1,
            pulse=lambda share: None,
            team=team,
        )

    def boosters(self, data: lgb.Dataset, team: Team, count: int = 2) -> list[lgb.Booster]:
        """So many boosters of the team's, on all rows."""
        return fit.fit_seeds(
            data, self.parameters, rounds=10, seed=7, threads=1, pulse=lambda share: None, count=count, team=team
        )

    def log_loss(self, boosters: list[lgb.Booster]) -> float:
        """Of the boosters' mean margin, over all rows."""
        margin = fit.margins(boosters, self.blocks, self.rows)
        return float(np.mean(np.logaddexp(0.0, np.where(self.target == 1.0, -margin, margin))))


def digest(booster: lgb.Booster) -> str:
    return hashlib.sha256(booster.model_to_string().split("parameters:")[0].encode()).hexdigest()


def test_two_workers_grow_the_same_trees_which_are_as_good_as_one_workers(begin: Begin) -> None:
    learning = Learning()
    with team_of(2, begin) as (team, helpers):
        data = learning.data()
        choice = learning.choice(data, team)
        together = learning.boosters(data, team)
    # The helper's boosters of the two folds come first.
    code, said = ended(helpers[0])
    assert (code, said[2:]) == (0, [digest(booster) for booster in together])
    alone = learning.choice(learning.data(), ALONE)
    assert choice.losses.min(axis=0) == pytest.approx(alone.losses.min(axis=0), rel=0.03)
    usual = learning.log_loss(learning.boosters(learning.data(), ALONE))
    assert learning.log_loss(together) == pytest.approx(usual, rel=0.03)
    with team_of(2, begin) as (team, _):
        again = learning.boosters(learning.data(), team)
    assert [digest(booster) for booster in again] == [digest(booster) for booster in together]


RANDOM_AND_OTHER = [
    {"bagging_fraction": "0.6", "bagging_freq": "1", "extra_trees": "true"},
    {"feature_fraction_bynode": "0.5", "path_smooth": "3", "max_depth": "3"},
    {"data_sample_strategy": "goss", "max_bin": "1000", "lambda_l1": "1"},
    {"is_unbalance": "true", "max_delta_step": "0.5"},
    {"neg_bagging_fraction": "0.3", "bagging_freq": "1", "boost_from_average": "false", "scale_pos_weight": "3"},
]


def test_three_workers_come_to_one_model_with_categories_gaps_and_all_kinds_of_parameters(begin: Begin) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(3000, 4))
    features[:, 3] = random.integers(0, 30, 3000)
    target = (features[:, 0] > 0.5) | (features[:, 3] % 7 == 1)
    features[random.random((3000, 4)) < 0.05] = np.nan
    models = []
    with team_of(3, begin) as (team, helpers):
        for given in RANDOM_AND_OTHER:
            settings = fit.lightgbm_parameters(checked_parameters({"num_leaves": "15", **given}), seed=7, threads=1)
            data = lgb.Dataset(features, label=target, params=settings, categorical_feature=[3]).construct()
            booster = team.booster(settings, data, None)
            for _ in range(10):
                team.grow(booster)
            models.append(digest(booster))
    assert len(set(models)) == len(models)
    assert [ended(helper) for helper in helpers] == [(0, models)] * 2


def test_a_part_without_positives_is_learned_from_with_the_others(begin: Begin) -> None:
    learning = Learning()
    learning.target[1::2] = 0.0
    with team_of(2, begin) as (team, helpers):
        together = learning.boosters(learning.data(), team)
    assert ended(helpers[0])[0] == 0
    usual = learning.log_loss(learning.boosters(learning.data(), ALONE))
    assert learning.log_loss(together) == pytest.approx(usual, rel=0.05)


def test_parameters_that_lightgbm_refuses_are_refused_by_worker_0(begin: Begin) -> None:
    learning = Learning()
    data = learning.data()
    learning.parameters = checked_parameters({"data_sample_strategy": "goss", "top_rate": "0.9", "other_rate": "0.9"})
    told = pytest.raises(InvalidConfiguration, match=r"^model\.parameters are refused by LightGBM: ")
    with team_of(2, begin, told) as (team, helpers):
        learning.boosters(data, team)
    assert ended(helpers[0]) == (15, ["ended: worker 0 is gone; see its pod for the reason"])


def test_fewer_rows_than_workers_are_too_few(begin: Begin) -> None:
    learning = Learning()
    settings = fit.lightgbm_parameters(learning.parameters, seed=7, threads=1)
    told = pytest.raises(InsufficientData, match=r"set spec\.trainer\.workers to 1")
    with team_of(2, begin, told) as (team, helpers):
        team.booster(settings, learning.data(), np.array([0, 2, 4]))
    assert ended(helpers[0])[0] == 15


def test_worker_0_ends_with_a_sentence_when_a_helper_dies(begin: Begin) -> None:
    leader = begin(LEADER)
    helper = begin(HELPER, 1, heard(leader), free_port())
    assert heard(leader) == "grows"
    helper.kill()
    assert ended(leader) == (15, ["ended: worker 1 is gone; see its pod for the reason"])


def test_a_helper_ends_with_a_sentence_when_worker_0_dies(begin: Begin) -> None:
    leader = begin(LEADER)
    helper = begin(HELPER, 1, heard(leader), free_port())
    assert heard(leader) == "grows"
    leader.kill()
    assert ended(helper) == (15, ["ended: worker 0 is gone; see its pod for the reason"])


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        (True, r"^worker 0 is gone; see its pod for the reason$"),
        (False, r"^the connection between the workers broke: Socket recv error"),
    ],
)
def test_a_helper_whose_learning_broke_waits_to_hear_whether_worker_0_is_gone(
    gone: bool, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        broke = Event()

        def breaks(network: Network, machines: list[str], port: int) -> None:
            broke.set()
            raise lgb.basic.LightGBMError("Socket recv error, Connection reset by peer (code: 104)")

        def lead() -> None:
            worker = Connection(listener.accept()[0])
            worker.receive()
            worker.send({"do": "begin", "machines": []})
            broke.wait()
            # Whoever did not wait has said so by then.
            over.wait(timeout=0.3 if gone else None)
            worker.close()

        over = Event()
        monkeypatch.setattr(Network, "connect", breaks)
        monkeypatch.setattr("eagle_trainer.team.helper.BROKEN_SECONDS", 60.0 if gone else 0.01)
        leader = Thread(target=lead)
        leader.start()
        port = listener.getsockname()[1]
        try:
            with pytest.raises(WorkerLost, match=told):
                help_out(1, run="r", leader=("127.0.0.1", port), learning_port=1, threads=1, patience_seconds=20)
        finally:
            over.set()
            leader.join()


@pytest.mark.parametrize(
    ("words", "network"),
    [
        ("Binding port 4711 failed", True),
        ("Socket recv error, Connection reset by peer (code: 104)", True),
        ("Connecting to rank 1 failed", True),
        ("Parameter num_leaves should be greater than 1", False),
    ],
)
def test_what_lightgbm_says_of_the_network_is_not_taken_for_the_parameters_fault(words: str, network: bool) -> None:
    assert is_of_network(lgb.basic.LightGBMError(words)) is network


def test_who_does_not_come_is_named() -> None:
    with (
        Leader(3, run="r", port=0, learning_port=1, patience_seconds=0.0, host="127.0.0.1") as team,
        pytest.raises(TrainingEnded, match=r"^worker 1 of 3 was not there within 0 minutes; .*spec\.trainer\.workers"),
    ):
        team.booster({}, *data_of_noise()[:1], None)


def test_a_worker_0_that_does_not_come_is_named() -> None:
    moments = iter([0.0, 5.0, 601.0])
    with pytest.raises(TrainingEnded, match=r"^worker 0 could not be reached at 127\.0\.0\.1, port \d+, within 10 min"):
        help_out(
            1,
            run="r",
            leader=("127.0.0.1", free_port()),
            learning_port=1,
            threads=1,
            patience_seconds=600,
            sleep=lambda seconds: None,
            clock=lambda: next(moments),
        )


def hello(team: Leader, **words: object) -> Connection:
    connection = Connection(socket.create_connection(("127.0.0.1", team.port)))
    connection.send({"run": "r", "worker": 1, "machine": "127.0.0.1:1", **words})
    return connection


def turned_away(stranger: Connection) -> None:
    with pytest.raises(ConnectionLost):
        stranger.receive(seconds=30)
    stranger.close()


@pytest.mark.parametrize("words", [{"run": "another"}, {"worker": 0}, {"worker": 2}, {"worker": None}])
def test_who_does_not_belong_to_the_run_is_turned_away(words: dict[str, object]) -> None:
    with Leader(2, run="r", port=0, learning_port=1, patience_seconds=0.0, host="127.0.0.1") as team:
        turned_away(hello(team, **words))


def test_a_helper_that_went_before_the_beginning_is_replaced_and_one_that_comes_later_waits_for_the_end(
    begin: Begin,
) -> None:
    learning = Learning()
    with Leader(2, run="r", port=0, learning_port=free_port(), patience_seconds=60, host="127.0.0.1") as team:
        hello(team).close()
        helper = begin(HELPER, 1, team.port, free_port())
        boosters = learning.boosters(learning.data(), team, count=1)
        late = hello(team)
        turned_away(hello(team, run="another"))  # They are looked at in turn: the late one was taken in.
        team.grow(boosters[0])
    assert late.receive(seconds=30)[0] == {"do": "end"}
    late.close()
    assert ended(helper)[0] == 0


STUCK = """
import sys, threading
from pathlib import Path
from eagle_trainer.__main__ import _ending
from eagle_trainer.errors import WorkerLost

def work():
    raise WorkerLost("worker 1 is gone")

threading.Thread(target=threading.Event().wait).start()
_ending(work, message_file=Path(sys.argv[1]))
"""


def test_a_pod_ends_although_a_thread_waits_for_another_worker(begin: Begin, tmp_path: Path) -> None:
    message = tmp_path / "termination-log"
    assert ended(begin(STUCK, message))[0] == 15
    assert message.read_text() == "worker 1 is gone"


def test_messages_and_their_bytes_arrive_as_they_were_sent() -> None:
    near, far = (Connection(side, most_bytes=3_000_000) for side in pair())
    near.send({"a": [1, 0.1]}, b"\x00" * 3_000_000)
    inbox = Inbox(far)
    assert inbox.next() == ({"a": [1, 0.1]}, b"\x00" * 3_000_000)
    near.close()
    for _ in range(2):
        with pytest.raises(ConnectionLost):
            inbox.next()
    far.close()


def test_what_is_no_message_ends_the_connection() -> None:
    too_much = struct.pack("!IQ", 2, 1) + b"{}0"
    for nonsense in (b"GET / HTTP/1.1\r\n\r\n", struct.pack("!IQ", 2, 0) + b"[]", too_much):
        raw, far = pair()
        raw.sendall(nonsense)
        with pytest.raises(ConnectionLost):
            Connection(far).receive(seconds=30)
        raw.close()
        far.close()


def pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        return near, server.accept()[0]
