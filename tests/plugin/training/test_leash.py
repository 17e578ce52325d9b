from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from resnet_fixtures.training.leash import RANK_MARK, leash_command
from tests.plugin.training.processes import expect_death

CPUS = sorted(os.sched_getaffinity(0))
TELL = "import os, sys; print(os.getpid(), sorted(os.sched_getaffinity(0)), sys.argv[1:])"
# Starts a leashed process that says it lives and sleeps, waits for that, and dies without a goodbye.
PARENT = """
import os, subprocess, sys
from resnet_fixtures.training.leash import leash_command
child = "import sys, time; print('alive', flush=True); time.sleep(600)"
started = subprocess.Popen(leash_command(sys.argv[1], [sys.executable, "-c", child]), stdout=subprocess.PIPE)
started.stdout.readline()
print(started.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def run(command: list[str], **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, timeout=30, check=False
    )


def test_process_becomes_the_command_and_keeps_its_arguments_and_status() -> None:
    done = run(leash_command("KILL", [sys.executable, "-c", f"{TELL}; sys.exit(3)", "--cpus", "a b"], is_rank=False))
    assert done.stdout.endswith("['--cpus', 'a b']\n")
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.parametrize("local_rank", [0, 1])
def test_rank_takes_the_cpus_of_its_place_on_the_host(local_rank: int) -> None:
    places = [CPUS[:1], CPUS[-1:]]
    command = leash_command("KILL", [sys.executable, "-c", TELL], places)
    done = run(command, OMPI_COMM_WORLD_LOCAL_RANK=str(local_rank), OMPI_COMM_WORLD_RANK="5")
    pid, cpus = done.stdout.split(maxsplit=1)
    assert cpus == f"{places[local_rank]} []\n"
    assert done.stderr == f"{RANK_MARK}5 on {socket.gethostname()}, process {pid}\n"


@pytest.mark.parametrize("name", ["KILL", "TERM"])
def test_process_dies_with_its_parent(name: str) -> None:
    parent = run([sys.executable, "-c", PARENT, name])  # returns when nobody holds its output any more
    assert parent.returncode == -signal.SIGKILL
    expect_death({int(parent.stdout)})


def test_unknown_signal_is_refused() -> None:
    done = run(leash_command("NONE", ["true"]))
    assert done.returncode == 2
    assert "NONE" in done.stderr
