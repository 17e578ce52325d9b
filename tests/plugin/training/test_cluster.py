"""A cluster on one machine: two network namespaces are two hosts, a cable joins them, and a script stands for ssh."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from resnet_fixtures.training.events import Ended, Step, parse_event
from tests.plugin.training.mpi_probe import vector_of

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
ADDRESSES = ("10.231.0.1", "10.231.0.2")  # nobody else is on that cable
NOBODY = "10.231.0.9"
LIMIT_S = 90.0
AGENT = """\
#!/bin/sh
# Open MPI calls it as it would call ssh: the host, then a command for that host's shell.
case "$1" in {cases} *) echo "agent: no route to $1" >&2; exit 255;; esac
shift
exec ip netns exec "$host" unshare --uts sh -c "hostname $host; $*"
"""


@dataclass(frozen=True)
class Cluster:
    """Two hosts, by the names of their namespaces, and the agent that reaches them."""

    hosts: tuple[str, str]
    agent: Path

    def run(self, *arguments: str) -> dict[str, Any]:
        """Run the driver on the first host and return what it wrote."""
        first = self.hosts[0]
        enter = ["ip", "netns", "exec", first, "unshare", "--uts", "sh", "-c", 'hostname "$0"; "$@"', first]
        done = subprocess.run(
            [*enter, sys.executable, str(HERE / "cluster_driver.py"), *arguments],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            env={
                **os.environ,
                "PYTHONPATH": str(REPOSITORY),
                "PRTE_MCA_plm_ssh_agent": str(self.agent),  # Open MPI 5
                "OMPI_MCA_plm_rsh_agent": str(self.agent),  # Open MPI 4
            },
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def processes(self) -> list[str]:
        """List the processes that run on the two hosts."""
        return [pid for host in self.hosts for pid in ip("netns", "pids", host).split()]


def ip(*arguments: str) -> str:
    command = [shutil.which("ip") or "", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        pytest.skip(f"no network namespaces here: `ip {' '.join(arguments)}` said {done.stderr.strip()!r}")
    return done.stdout


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    missing = [program for program in ("ip", "unshare") if shutil.which(program) is None]
    if missing or find_spec("mpi4py") is None:
        pytest.skip(f"a cluster needs {', '.join(missing) or 'mpi4py: pip install resnet-fixtures[mpi]'}")
    if os.geteuid() != 0:
        pytest.skip("only root may make network namespaces")
    hosts = (f"rf{os.getpid()}a", f"rf{os.getpid()}b")
    try:
        join(hosts)
        yield Cluster(hosts, write_agent(tmp_path_factory.mktemp("cluster") / "agent", hosts))
    finally:
        for host in hosts:
            with suppress(pytest.skip.Exception):  # it may not have come to be
                ip("netns", "delete", host)


def join(hosts: tuple[str, str]) -> None:
    """Make the namespaces and lay a cable between them, whose ends have the namespaces' names."""
    for host in hosts:
        ip("netns", "add", host)
    ip("link", "add", hosts[0], "netns", hosts[0], "type", "veth", "peer", "name", hosts[1], "netns", hosts[1])
    for host, address in zip(hosts, ADDRESSES, strict=True):
        ip("-n", host, "address", "add", f"{address}/24", "dev", host)
        ip("-n", host, "link", "set", host, "up")
        ip("-n", host, "link", "set", "lo", "up")


def write_agent(file: Path, hosts: tuple[str, str]) -> Path:
    cases = " ".join(f"{address}) host={host};;" for host, address in zip(hosts, ADDRESSES, strict=True))
    file.write_text(AGENT.replace("{cases}", cases))
    file.chmod(0o755)
    return file


def test_ranks_on_two_hosts_average_and_rank_0_tells(cluster: Cluster) -> None:
    answer = cluster.run(",".join(ADDRESSES), "2", str(HERE / "stand_in_worker.py"), "train")
    assert answer["error"] == ""
    _, *steps, ended = [parse_event(line) for line in answer["events"]]
    assert steps == [Step(number, 0.5, 0.0, 0.0, 0.0, 0.0) for number in (1, 2, 3)]
    assert ended == Ended(step=3, seconds=0.0, reached=True)


def test_communicator_works_between_hosts(cluster: Cluster, tmp_path: Path) -> None:
    answer = cluster.run(",".join(ADDRESSES), "2", str(HERE / "mpi_probe.py"), str(tmp_path))
    reports = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    means = [np.load(tmp_path / f"{rank}.npy") for rank in (0, 1)]
    assert answer["events"] == []
    assert [report["name"] for report in reports] == list(cluster.hosts)
    assert [(report["kind"], report["size"], report["total"]) for report in reports] == [("Mpi", 2, [3, 2**41])] * 2
    assert all(report["is_text_heard"] and report["decisions"] == [True, False] for report in reports)
    assert means[0].tobytes() == means[1].tobytes()
    np.testing.assert_allclose(means[0], (vector_of(0) + vector_of(1)) / 2, rtol=1e-6)


def test_rank_that_dies_on_the_other_host_is_named_with_it_and_all_are_gone(cluster: Cluster) -> None:
    start_s = time.monotonic()
    answer = cluster.run(",".join(ADDRESSES), "2", str(HERE / "stand_in_worker.py"), "killed", "1")
    assert answer["error"].startswith(f"RunError: Rank 1 on {cluster.hosts[1]} was killed by SIGKILL")
    assert answer["error"].endswith("I feel unwell")
    while cluster.processes():
        assert time.monotonic() - start_s < 30, "ranks or daemons have outlived the dead rank by 30 s"
        time.sleep(0.1)


def test_host_that_cannot_be_reached_is_named_before_anything_starts(cluster: Cluster) -> None:
    answer = cluster.run(f"{ADDRESSES[0]},{NOBODY}", "2", str(HERE / "stand_in_worker.py"), "train")
    assert answer["error"].startswith(f"InputError: Host {NOBODY} of --mpi-hostnames cannot be reached (")
    assert answer["events"] == []
    assert cluster.processes() == []


def test_more_ranks_than_the_hosts_have_cores_are_mpiruns_to_refuse(cluster: Cluster) -> None:
    ranks = 2 * (os.cpu_count() or 1) + 2
    answer = cluster.run(",".join(ADDRESSES), str(ranks), str(HERE / "stand_in_worker.py"), "train")
    assert answer["error"].startswith("InputError: mpirun ended with exit status ")
    assert answer["events"] == []
