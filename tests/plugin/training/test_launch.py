from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.hardware.thread_plan import NO_REQUEST, ThreadRequest, make_thread_plan
from resnet_fixtures.training.launch import WORKER_COMMAND, make_launch, mpirun_arguments
from resnet_fixtures.training.layout import Layout, ranks_plan
from resnet_fixtures.training.mpirun import Mpirun, find_mpirun
from tests.plugin.training.machines import SEED, SMALL, TWO_CORES, machine

if TYPE_CHECKING:
    from resnet_fixtures.hardware.topology import Topology

LEASH = [sys.executable, "-m", "resnet_fixtures.training.leash", "KILL", "--rank"]
ALWAYS = ["--tag-output", "--mca", "opal_abort_delay", "10"]
MPIRUN = Mpirun("/opt/bin/mpirun", 5)


def arguments(
    layout: Layout,
    topology: Topology,
    request: ThreadRequest = NO_REQUEST,
    machine_cpus: int | None = None,
    socket: str = "package",
) -> list[str]:
    plan = make_thread_plan(topology, request)
    cpus = machine_cpus or len(topology.cpus)
    return mpirun_arguments(layout, plan, topology, socket, {"HOME": "/h", "TF_X": "1", "PATH": "/b"}, ["work"], cpus)


def test_seeds_form() -> None:
    form = ["--allow-run-as-root", "-n", "32", "--map-by", "ppr:4:package:pe=7", "--bind-to", "core", *ALWAYS]
    assert arguments(Layout(32, per_socket=4), SEED) == [*form, *LEASH, "--", "work"]
    assert arguments(Layout(32), SEED) == [*form, *LEASH, "--", "work"]


def test_open_mpi_4_has_its_own_word_for_a_socket() -> None:
    assert "ppr:4:socket:pe=7" in arguments(Layout(32), SEED, socket=Mpirun("mpirun", 4).socket)


@pytest.mark.parametrize(
    ("layout", "topology", "asked", "pins"),
    [
        (Layout(2), SMALL, ThreadRequest(socket_id=1), "4-5/6-7"),  # not mpirun's first cores
        (Layout(2), SMALL, ThreadRequest(num_cores=2), "0/1"),
        (Layout(3), SMALL, NO_REQUEST, "0-1/2-3/4-5"),  # not the same number on each socket
        (Layout(2), machine(3, 2), NO_REQUEST, "0-2/3-5"),  # across sockets
    ],
)
def test_ranks_pin_themselves_where_mpiruns_mapping_would_be_another(
    layout: Layout, topology: Topology, asked: ThreadRequest, pins: str
) -> None:
    given = arguments(layout, topology, asked)
    mapping = given.index("--map-by")
    assert given[mapping + 1 : mapping + 4] == [f"ppr:{layout.processes}:node", "--bind-to", "none"]
    assert given[-4:] == ["--cpus", pins, "--", "work"]


def test_ranks_pin_themselves_where_this_process_may_use_a_part_of_the_machine() -> None:
    assert "--cpus" in arguments(Layout(2), TWO_CORES, machine_cpus=4)
    assert "--cpus" not in arguments(Layout(2), TWO_CORES)


def test_hosts_have_their_slots_and_get_the_environment_that_matters() -> None:
    given = arguments(Layout(3, hostnames=("a", "b")), SMALL)
    assert given[3:9] == ["--host", "a:2,b:1", "--map-by", "ppr:2:node:pe=4", "--bind-to", "core"]
    assert given[9:-7] == [*ALWAYS, "-x", "PATH", "-x", "TF_X"]
    assert given[-7:] == [*LEASH, "--", "work"]
    assert "ppr:1:package:pe=4" in arguments(Layout(4, 1, ("a", "b")), SMALL)


def test_single_rank_is_started_without_mpirun() -> None:
    plan = make_thread_plan(SMALL)
    launch = make_launch(Layout(), SMALL, plan)
    assert launch.command == (*LEASH, "--cpus", "0-7", "--", *WORKER_COMMAND)
    assert (launch.ranks, launch.plan) == (1, plan)


def test_several_ranks_are_started_by_mpirun_each_with_a_share() -> None:
    launch = make_launch(Layout(4), SMALL, make_thread_plan(SMALL), MPIRUN, {}, ["work", "a b"])
    assert launch.command[:4] == ("/opt/bin/mpirun", "--allow-run-as-root", "-n", "4")
    assert (launch.ranks, launch.plan.intra) == (4, 2)
    assert launch.describe().endswith(" -- work 'a b'")


def test_several_ranks_without_an_mpirun_are_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="several ranks need an mpirun: see find_mpirun"):
        make_launch(Layout(2), SMALL, make_thread_plan(SMALL))


def test_more_ranks_than_cores_are_refused_before_anything_starts() -> None:
    with pytest.raises(InputError, match="--mpi-num-processes 3 is more than the 2 cores of the run"):
        make_launch(Layout(3), TWO_CORES, make_thread_plan(TWO_CORES), MPIRUN)


def mapped_cores(given: list[str], synthetic: str) -> list[range]:
    """Ask the real mpirun where it would put the ranks on a machine of this form, without starting them."""
    if find_spec("mpi4py") is None or find_mpirun().version < 5:
        pytest.skip("Open MPI 5 is not here: pip install 'resnet-fixtures[mpi]'")
    told = subprocess.run(
        [find_mpirun().path, "--runtime-options", "donotlaunch", "--display", "map", *given],
        env={**os.environ, "HWLOC_SYNTHETIC": synthetic},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    bounds = re.findall(r"Binding: package\[\d+\]\[core:L(\d+)(?:-(\d+))?\]", told)
    return [range(int(first), int(last or first) + 1) for first, last in bounds]


@pytest.mark.parametrize(
    ("layout", "topology", "synthetic"),
    [
        (Layout(32, 4), SEED, "pack:8 numa:1 core:28 pu:2"),
        (Layout(4), SMALL, "pack:2 numa:1 core:4 pu:1"),
        (Layout(2), SMALL, "pack:2 numa:1 core:4 pu:1"),
        (Layout(4, 2), machine(2, 5), "pack:2 numa:1 core:5 pu:1"),
        (Layout(2), TWO_CORES, "pack:1 numa:1 core:2 pu:1"),
    ],
)
def test_mpirun_maps_the_ranks_to_the_planned_shares(layout: Layout, topology: Topology, synthetic: str) -> None:
    shares = ranks_plan(layout, topology, make_thread_plan(topology))
    cores = mapped_cores(arguments(layout, topology), synthetic)
    assert [tuple(part) for part in cores] == [share.cpus for share in shares]


def test_mpirun_maps_the_ranks_of_hosts_to_shares_of_each() -> None:
    cores = mapped_cores(arguments(Layout(3, hostnames=("a", "b")), SMALL), "pack:2 numa:1 core:4 pu:1")
    assert cores == [range(4), range(4, 8), range(4)]
