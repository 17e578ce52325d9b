"""Real processes, and real MPI where there are several, around a stand-in for the worker."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError, RunError
from resnet_fixtures.hardware.thread_plan import make_thread_plan
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.training.events import Begun, Ended, Step
from resnet_fixtures.training.launch import Launch, make_launch
from resnet_fixtures.training.layout import Layout
from resnet_fixtures.training.mpirun import find_mpirun
from resnet_fixtures.training.order import Order
from resnet_fixtures.training.ranks import run_ranks
from resnet_fixtures.training.recipe import Recipe
from tests.plugin.training.processes import LIMIT_S, children_of, expect_death, list_processes

if TYPE_CHECKING:
    from resnet_fixtures.training.events import Event

WORKER = Path(__file__).with_name("stand_in_worker.py")
ORDER = Order(Recipe(), threads=7, data_threads=1)
HOST = re.escape(socket.gethostname())
PARENT = """
import sys, time
from tests.plugin.training.test_ranks import ORDER, launch
from resnet_fixtures.training.ranks import run_ranks
with run_ranks(launch(int(sys.argv[1]), "hanging"), ORDER) as events:
    for _ in zip(range(3), events):
        pass
    print("running", flush=True)
    time.sleep(600)
"""


def launch(ranks: int, *fate: str) -> Launch:
    topology = read_topology()
    mpirun = find_mpirun() if ranks > 1 else None
    worker = [sys.executable, str(WORKER), *fate]
    return make_launch(Layout(ranks), topology, make_thread_plan(topology), mpirun, os.environ, worker)


def run(ranks: int, *fate: str) -> list[Event]:
    with run_ranks(launch(ranks, *fate), ORDER) as events:
        return list(events)


several = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2 or find_spec("mpi4py") is None,
    reason="two ranks need two cores and pip install 'resnet-fixtures[mpi]'",
)
COUNTS = [1, pytest.param(2, marks=several)]


@pytest.mark.parametrize("ranks", COUNTS)
def test_events_of_rank_0_arrive_and_all_ranks_take_part(ranks: int) -> None:
    events = run(ranks, "train")
    steps = [Step(number, (ranks - 1) / 2, 0.0, 0.0, 0.0, 0.0) for number in (1, 2, 3)]
    begun = events[0]
    assert events[1:] == [*steps, Ended(step=3, seconds=0.0, reached=True)]
    assert isinstance(begun, Begun)
    assert (begun.step, begun.steps) == (ORDER.threads, ranks)


@pytest.mark.parametrize("ranks", COUNTS)
def test_ranks_share_the_plans_cpus_and_none_belongs_to_two(ranks: int) -> None:
    begun = run(ranks, "train")[0]
    plan = make_thread_plan(read_topology())
    cores = len(plan.cpus) - plan.smt_siblings
    assert isinstance(begun, Begun)
    used = begun.steps_per_epoch
    assert used & ~sum(1 << cpu.id for cpu in read_topology().cpus) == 0
    assert used.bit_count() >= cores // ranks * ranks


@pytest.mark.parametrize(
    ("fate", "end"),
    [
        ("killed", r"was killed by SIGKILL .*; its last words: .*I feel unwell$"),
        ("raising", r"ended with exit status 1; its last words: .*ValueError: a bug$"),
    ],
)
@pytest.mark.parametrize(("ranks", "victim"), [(1, 0), pytest.param(2, 1, marks=several)])
def test_rank_that_dies_is_named_and_takes_all_with_it(ranks: int, victim: int, fate: str, end: str) -> None:
    before = children_of(os.getpid())
    start_s = time.monotonic()
    with pytest.raises(RunError, match=rf"^Rank {victim} on {HOST} {end}"):
        run(ranks, fate, str(victim))
    assert time.monotonic() - start_s < LIMIT_S
    assert children_of(os.getpid()) <= before


@pytest.mark.parametrize("ranks", COUNTS)
def test_event_that_a_kill_cuts_off_is_none(ranks: int) -> None:
    with pytest.raises(
        RunError, match=rf"^Rank 0 on {HOST} was killed by SIGKILL .*; its last words: .*I feel unwell$"
    ):
        run(ranks, "cut off", "0")


def test_worker_that_leaves_before_the_end_has_not_succeeded() -> None:
    with pytest.raises(RunError, match=rf"^Rank 0 on {HOST} ended with exit status 0; its last words: I feel unwell$"):
        run(1, "leaving")


@pytest.mark.parametrize(("ranks", "victim"), [(1, 0), pytest.param(2, 1, marks=several)])
def test_refusal_of_any_rank_is_the_users_to_cure(ranks: int, victim: int) -> None:
    with pytest.raises(InputError, match=r"^--data-location /x is empty: pass another\.$"):
        run(ranks, "refusing", str(victim))


@several
def test_end_of_the_block_ends_the_ranks() -> None:
    before = children_of(os.getpid())
    with run_ranks(launch(2, "hanging"), ORDER) as events:
        assert isinstance(next(events), Begun)
        running = children_of(os.getpid()) - before
        assert len(running) >= 3  # mpirun and its ranks
    expect_death(running)


@pytest.mark.parametrize("ranks", COUNTS)
def test_ranks_end_with_a_parent_that_is_killed(ranks: int) -> None:
    command = [sys.executable, "-c", PARENT, str(ranks)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"running\n"
        family = children_of(parent.pid)
        parent.kill()
    expect_death(family)


@several
def test_ranks_end_with_an_mpirun_that_is_killed() -> None:
    before = children_of(os.getpid())
    with run_ranks(launch(2, "hanging"), ORDER) as events:
        assert isinstance(next(events), Begun)
        family = children_of(os.getpid()) - before
        (mpirun,) = {pid for pid, parent in list_processes() if parent == os.getpid()} & family
        os.kill(mpirun, signal.SIGKILL)
        with pytest.raises(RunError, match=r"^mpirun was killed by SIGKILL"):
            list(events)
        expect_death(family - {mpirun})


@several
def test_mpirun_that_does_not_start_the_ranks_is_quoted() -> None:
    mine = launch(2, "train")
    broken = Launch((*mine.command[:1], "--no-such-option", *mine.command[1:]), mine.ranks, mine.plan)
    with (
        pytest.raises(InputError, match=r"^mpirun ended with exit status .*no-such-option.*--mpi-dry-run\.$"),
        run_ranks(broken, ORDER) as events,
    ):
        list(events)
