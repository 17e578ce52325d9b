from __future__ import annotations

import json
from dataclasses import replace

import pytest

from resnet_fixtures.hardware.thread_plan import (
    ThreadPlan,
    ThreadRequest,
    idle_cpus,
    instance_plans,
    make_thread_plan,
    worker_plan,
)
from resnet_fixtures.hardware.topology import Cpu, Topology

TWO_CPUS = Topology((Cpu(0, 0, 0, 0), Cpu(1, 1, 0, 0)))
# 2 sockets of 2 cores with 2 threads: Linux numbers siblings side by side on some machines, far apart on others.
ADJACENT = Topology(tuple(Cpu(n, n // 2 * 2, n // 4, n // 4) for n in range(8)))
SPLIT = Topology(tuple(Cpu(n, n % 4, n % 4 // 2, n % 4 // 2) for n in range(8)))
# The launcher's example machine, 2 sockets of 28 cores, SMT off.
LAUNCHER = Topology(tuple(Cpu(n, n, n // 28, n // 28) for n in range(56)))
ONE_CORE_TWO_THREADS = Topology((Cpu(0, 0, 0, 0), Cpu(1, 0, 0, 0)))


def pools(plan: ThreadPlan) -> tuple[int, int, int, int]:
    return plan.intra, plan.inter, plan.data_intra, plan.data_inter


def test_two_cpus() -> None:
    assert make_thread_plan(TWO_CPUS) == ThreadPlan(
        cpus=(0, 1), intra=2, inter=1, data_intra=2, data_inter=1, quota=None, sockets=(0,), nodes=(0,)
    )


@pytest.mark.parametrize(
    ("topology", "cpus"), [(ADJACENT, (0, 2, 4, 6)), (SPLIT, (0, 1, 2, 3)), (ONE_CORE_TWO_THREADS, (0,))]
)
def test_physical_cores_by_default(topology: Topology, cpus: tuple[int, ...]) -> None:
    plan = make_thread_plan(topology)
    assert plan.cpus == cpus
    assert (plan.intra, plan.smt_siblings) == (len(cpus), 0)


def test_launchers_numbers_on_two_sockets() -> None:
    whole = make_thread_plan(LAUNCHER)
    socket = make_thread_plan(LAUNCHER, ThreadRequest(socket_id=0))
    assert pools(whole) == (56, 2, 56, 1)
    assert pools(socket) == (28, 1, 28, 1)
    assert socket.cpus == tuple(range(28))


def test_second_socket() -> None:
    plan = make_thread_plan(SPLIT, ThreadRequest(socket_id=1))
    assert (plan.cpus, plan.sockets, plan.nodes) == ((2, 3), (1,), (1,))


def test_fewer_cores_fill_one_socket_first() -> None:
    plan = make_thread_plan(ADJACENT, ThreadRequest(num_cores=2))
    assert (plan.cpus, plan.sockets) == ((0, 2), (0,))
    assert pools(plan) == (2, 1, 2, 1)


@pytest.mark.parametrize(
    ("topology", "cpus"), [(ADJACENT, (0, 1, 2, 4, 6)), (SPLIT, (0, 1, 2, 3, 4)), (ONE_CORE_TWO_THREADS, (0, 1))]
)
def test_siblings_come_after_all_cores(topology: Topology, cpus: tuple[int, ...]) -> None:
    plan = make_thread_plan(topology, ThreadRequest(num_cores=len(cpus)))
    assert (plan.cpus, plan.intra, plan.smt_siblings) == (cpus, len(cpus), 1)


def test_more_intra_threads_than_cores_take_siblings() -> None:
    plan = make_thread_plan(SPLIT, ThreadRequest(socket_id=0, num_intra_threads=4))
    assert (plan.cpus, plan.intra, plan.smt_siblings) == ((0, 1, 4, 5), 4, 2)


def test_fewer_intra_threads_keep_the_cores() -> None:
    plan = make_thread_plan(TWO_CPUS, ThreadRequest(num_intra_threads=1))
    assert (plan.cpus, pools(plan)) == ((0, 1), (1, 1, 2, 1))


def test_user_values_win() -> None:
    request = ThreadRequest(
        num_cores=4, num_intra_threads=3, num_inter_threads=4, data_num_intra_threads=2, data_num_inter_threads=3
    )
    assert pools(make_thread_plan(LAUNCHER, request)) == (3, 4, 2, 3)


@pytest.mark.parametrize(("quota", "cores"), [(0.5, 1), (1.0, 1), (1.5, 2), (2.0, 2), (40.0, 4), (None, 4)])
def test_quota_reduces_the_cores(quota: float | None, cores: int) -> None:
    plan = make_thread_plan(replace(SPLIT, quota=quota))
    assert (len(plan.cpus), plan.intra, plan.quota) == (cores, cores, quota)


@pytest.mark.parametrize(
    ("plan", "line"),
    [
        (make_thread_plan(TWO_CPUS), "2 cores (0-1) on socket 0, intra 2, inter 1, data 2/1"),
        (make_thread_plan(TWO_CPUS, ThreadRequest(num_cores=1)), "1 core (0) on socket 0, intra 1, inter 1, data 1/1"),
        (make_thread_plan(ADJACENT), "4 cores (0,2,4,6) on sockets 0-1, intra 4, inter 2, data 4/1"),
        (
            make_thread_plan(ONE_CORE_TWO_THREADS, ThreadRequest(num_cores=2)),
            "2 SMT threads of 1 core (0-1) on socket 0, intra 2, inter 1, data 2/1",
        ),
        (
            make_thread_plan(replace(SPLIT, quota=1.5)),
            "2 cores (0-1) on socket 0, intra 2, inter 1, data 2/1, quota 1.5 CPUs",
        ),
    ],
)
def test_describe(plan: ThreadPlan, line: str) -> None:
    assert plan.describe() == line


def test_as_dict_is_json() -> None:
    plan = make_thread_plan(replace(SPLIT, quota=2.0)).as_dict()
    assert plan == json.loads(json.dumps(plan))
    assert plan == {
        "cpus": [0, 1],
        "intra": 2,
        "inter": 1,
        "data_intra": 2,
        "data_inter": 1,
        "quota": 2.0,
        "sockets": [0],
        "nodes": [0],
        "smt_siblings": 0,
    }


def worker_cpus(topology: Topology, count: int) -> list[tuple[int, ...]]:
    plan = make_thread_plan(topology)
    return [worker_plan(topology, plan, index, count).cpus for index in range(count)]


@pytest.mark.parametrize(
    ("topology", "count", "cpus"),
    [
        (TWO_CPUS, 1, [(0, 1)]),
        (TWO_CPUS, 2, [(0,), (1,)]),
        (TWO_CPUS, 3, [(0,), (1,), (0,)]),
        (ADJACENT, 2, [(0, 2), (4, 6)]),
        (ADJACENT, 3, [(0,), (2,), (4, 6)]),
        (SPLIT, 2, [(0, 1), (2, 3)]),
    ],
)
def test_workers_have_cores_of_their_own(topology: Topology, count: int, cpus: list[tuple[int, ...]]) -> None:
    assert worker_cpus(topology, count) == cpus


def test_workers_of_interleaved_sockets_stay_on_one_socket() -> None:
    topology = Topology(tuple(Cpu(n, n, n % 2, n % 2) for n in range(4)))
    assert worker_cpus(topology, 2) == [(0, 2), (1, 3)]


def test_worker_that_replaces_a_crashed_one_has_cores_too() -> None:
    assert worker_plan(TWO_CPUS, make_thread_plan(TWO_CPUS), index=3, count=2).cpus == (1,)


def test_workers_pools_shrink_with_their_cores() -> None:
    plan = make_thread_plan(ADJACENT, ThreadRequest(data_num_inter_threads=3))
    worker = worker_plan(ADJACENT, plan, 1, 2)
    assert pools(worker) == (2, 1, 2, 2)
    assert (worker.sockets, worker.nodes) == ((1,), (1,))


def test_workers_keep_the_users_smaller_pools() -> None:
    plan = make_thread_plan(LAUNCHER, ThreadRequest(num_intra_threads=3, num_inter_threads=4))
    assert pools(worker_plan(LAUNCHER, plan, 0, 2)) == (3, 4, 28, 1)


def test_workers_keep_siblings_together() -> None:
    plan = make_thread_plan(SPLIT, ThreadRequest(num_cores=8))
    worker = worker_plan(SPLIT, plan, 1, 4)
    assert (worker.cpus, worker.intra, worker.smt_siblings) == ((1, 5), 2, 1)


@pytest.mark.parametrize(
    ("topology", "size", "cpus", "idle"),
    [
        (TWO_CPUS, 1, [(0,), (1,)], ()),
        (TWO_CPUS, 2, [(0, 1)], ()),
        (SPLIT, 2, [(0, 1), (2, 3)], ()),
        (ADJACENT, 1, [(0,), (2,), (4,), (6,)], ()),
        (SPLIT, 3, [(0, 1, 2)], (3,)),
    ],
)
def test_instances(topology: Topology, size: int, cpus: list[tuple[int, ...]], idle: tuple[int, ...]) -> None:
    plan = make_thread_plan(topology)
    instances = instance_plans(topology, plan, size)
    assert [instance.cpus for instance in instances] == cpus
    assert all(instance.intra == instance.data_intra == size for instance in instances)
    assert idle_cpus(plan, instances) == idle


def test_instances_leave_cores_idle_rather_than_span_sockets() -> None:
    plan = make_thread_plan(LAUNCHER)
    instances = instance_plans(LAUNCHER, plan, 10)
    assert [instance.sockets for instance in instances] == [(0,), (0,), (1,), (1,)]
    assert {pools(instance) for instance in instances} == {(10, 1, 10, 1)}
    assert idle_cpus(plan, instances) == (*range(20, 28), *range(48, 56))


def test_one_instance_a_socket() -> None:
    plan = make_thread_plan(LAUNCHER)
    instances = instance_plans(LAUNCHER, plan, "socket")
    assert [instance.cpus for instance in instances] == [tuple(range(28)), tuple(range(28, 56))]
    assert {pools(instance) for instance in instances} == {(28, 1, 28, 1)}
    assert idle_cpus(plan, instances) == ()
