from __future__ import annotations

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.hardware.thread_plan import ThreadRequest, make_thread_plan
from resnet_fixtures.hardware.topology import Topology
from resnet_fixtures.training.layout import MAX_PROCESSES, Layout, ranks_plan
from tests.plugin.training.machines import SEED, SMALL, TWO_CORES, machine


def cpus_of(layout: Layout, topology: Topology, **request: int) -> list[tuple[int, ...]]:
    plan = make_thread_plan(topology, ThreadRequest(**request))
    return [share.cpus for share in ranks_plan(layout, topology, plan)]


def test_one_rank_has_the_whole_plan() -> None:
    plan = make_thread_plan(SMALL)
    assert ranks_plan(Layout(), SMALL, plan) == (plan,)
    assert ranks_plan(Layout(per_socket=1), SMALL, plan) == (plan,)


def test_cores_are_shared_evenly_and_pools_fit_the_share() -> None:
    plans = ranks_plan(Layout(4), SMALL, make_thread_plan(SMALL))
    assert [plan.cpus for plan in plans] == [(0, 1), (2, 3), (4, 5), (6, 7)]
    assert {(plan.intra, plan.inter, plan.data_intra, plan.data_inter) for plan in plans} == {(2, 1, 2, 1)}


def test_share_does_not_span_sockets_where_smaller_ones_would_not() -> None:
    assert cpus_of(Layout(3), SMALL) == [(0, 1), (2, 3), (4, 5)]
    assert cpus_of(Layout(3), machine(2, 3)) == [(0,), (1,), (2,)]
    assert cpus_of(Layout(2), machine(3, 2)) == [(0, 1, 2), (3, 4, 5)]


def test_share_is_one_of_the_plan_not_of_the_machine() -> None:
    assert cpus_of(Layout(2), SMALL, socket_id=1) == [(4, 5), (6, 7)]
    assert cpus_of(Layout(2), SMALL, num_cores=3) == [(0,), (1,)]


def test_seeds_convergence_run_has_four_ranks_of_seven_cores_on_each_socket() -> None:
    even = ranks_plan(Layout(32), SEED, make_thread_plan(SEED))
    said = ranks_plan(Layout(32, per_socket=4), SEED, make_thread_plan(SEED))
    assert even == said
    assert {(len(plan.cpus), plan.intra, plan.smt_siblings) for plan in said} == {(7, 7, 0)}
    assert [plan.sockets for plan in said] == [(rank // 4,) for rank in range(32)]
    assert len({cpu for plan in said for cpu in plan.cpus}) == 224


def test_ranks_of_a_socket_leave_its_odd_cores_alone() -> None:
    assert cpus_of(Layout(4, per_socket=2), machine(2, 5)) == [(0, 1), (2, 3), (5, 6), (7, 8)]
    assert cpus_of(Layout(3, per_socket=3), machine(1, 5)) == [(0,), (1,), (2,)]


def test_smaller_socket_sets_the_share() -> None:
    lopsided = Topology(tuple(cpu for cpu in SMALL.cpus if cpu.id != 7))
    assert cpus_of(Layout(4, per_socket=2), lopsided) == [(0,), (1,), (4,), (5,)]


@pytest.mark.parametrize(
    ("layout", "slots"),
    [
        (Layout(3), (3,)),
        (Layout(4, hostnames=("a", "b")), (2, 2)),
        (Layout(5, hostnames=("a", "b", "c")), (2, 2, 1)),
    ],
)
def test_hosts_have_even_slots(layout: Layout, slots: tuple[int, ...]) -> None:
    assert layout.slots == slots


def test_hosts_are_taken_to_be_like_this_one() -> None:
    assert cpus_of(Layout(4, hostnames=("a", "b")), SMALL) == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert cpus_of(Layout(4, 2, ("a", "b")), TWO_CORES) == [(0,), (1,)]


def test_hosts_may_have_more_cores_than_this_one() -> None:
    assert cpus_of(Layout(16, hostnames=("a", "b")), TWO_CORES) == [(0,)] * 8
    assert cpus_of(Layout(16, 8, ("a", "b")), TWO_CORES) == [(0,)] * 8


def test_as_many_ranks_as_there_may_be_can_be_listed() -> None:
    assert len(cpus_of(Layout(MAX_PROCESSES, hostnames=("a",)), TWO_CORES)) == MAX_PROCESSES


def test_one_process_needs_mpirun_only_on_another_host() -> None:
    assert not Layout().needs_mpirun
    assert Layout(2).needs_mpirun
    assert Layout(1, hostnames=("a",)).needs_mpirun


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((0,), r"^--mpi-num-processes 0 is not a positive number: pass 1 or more\.$"),
        ((2, -1), r"^--mpi-num-processes-per-socket -1 is not a positive number: pass 1 or more\.$"),
        ((1 << 20 | 1, None, ("a",)), r"^--mpi-num-processes 1048577 is more than .+ have: pass at most 1048576\.$"),
        ((1, 1 << 20 | 1), r"^--mpi-num-processes-per-socket 1048577 is more than .+: pass at most 1048576\.$"),
        ((1, None, ("a", "b")), r"^--mpi-hostnames names 2 hosts for 1 ranks: pass --mpi-num-processes 2 or more\.$"),
    ],
)
def test_impossible_layout_is_refused(arguments: tuple[int], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Layout(*arguments)


@pytest.mark.parametrize(
    ("layout", "sentence"),
    [
        (Layout(9), r"^--mpi-num-processes 9 is more than the 8 cores of the run: pass at most 8\.$"),
        (Layout(8, 9), r"^--mpi-num-processes-per-socket 9 is more than the 4 cores of a socket: pass at most 4\.$"),
        (
            Layout(5, 2),
            r"^--mpi-num-processes-per-socket 2 leaves room for 4 ranks, not for 5: "
            r"pass --mpi-num-processes 4, or more ranks a socket\.$",
        ),
    ],
)
def test_more_ranks_than_fit_are_refused(layout: Layout, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        ranks_plan(layout, SMALL, make_thread_plan(SMALL))
