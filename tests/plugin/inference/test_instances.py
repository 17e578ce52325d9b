"""Real instances of a tiny graph, one core each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.inference.common_window import common_window
from resnet_fixtures.inference.instance import InstanceError
from resnet_fixtures.inference.instances import Instances
from resnet_fixtures.precision import Precision
from resnet_fixtures.timing.measurement import StepBudget

if TYPE_CHECKING:
    from collections.abc import Iterator

CPUS = sorted(os.sched_getaffinity(0))
# Noisy on purpose: every primitive writes a line to the child's standard output.
ENVIRON = {**os.environ, "ONEDNN_VERBOSE": "1"}
PARENT = """
import sys, time
from pathlib import Path
from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.inference.instances import Instances
from resnet_fixtures.precision import Precision
plans = [ThreadPlan((cpu,), 1, 1, 1, 1, None, (0,), (0,)) for cpu in map(int, sys.argv[2:])]
with Instances(Path(sys.argv[1]), Precision.FP32, plans, batch_size=1) as instances:
    instances.wait_step()
    print(*instances.pids, flush=True)
    time.sleep(600)
"""


def one_core(cpu: int) -> ThreadPlan:
    return ThreadPlan((cpu,), intra=1, inter=1, data_intra=1, data_inter=1, quota=None, sockets=(0,), nodes=(0,))


PLANS = (one_core(CPUS[0]), one_core(CPUS[-1]))


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie, whose parent is gone and has no successor that collects it, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for_death(pids: tuple[int, ...], limit_s: float) -> None:
    end_s = time.monotonic() + limit_s
    while any(map(is_alive, pids)):
        assert time.monotonic() < end_s, f"{pids} still run after {limit_s} s"
        time.sleep(0.05)


def wait_steps(instances: Instances, steps: int) -> None:
    for _ in range(steps):
        instances.wait_step()


@pytest.fixture(scope="module")
def pair(tiny_graph: Path) -> Iterator[Instances]:
    with Instances(tiny_graph, Precision.FP32, PLANS, batch_size=2, environ=ENVIRON) as instances:
        yield instances


def test_each_childs_threads_have_its_plans_cpus(pair: Instances) -> None:
    for pid, plan in zip(pair.pids, PLANS, strict=True):
        threads = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
        assert len(threads) > 1
        assert {frozenset(os.sched_getaffinity(thread)) for thread in threads} == {frozenset(plan.cpus)}


def test_warm_ups_are_kept_apart_and_every_step_is_counted(pair: Instances) -> None:
    heard: list[int] = []
    warmup = pair.warm_up(StepBudget(warmup_steps=4, steps=10), lambda number, _: heard.append(number))
    start_s = time.perf_counter()
    wait_steps(pair, 10)
    results = pair.results()
    end_s = time.perf_counter()

    assert heard == [1, 2, 3, 4]
    assert len(warmup.seconds) == 4
    assert warmup.cut is None
    assert [(result.index, result.plan, result.batch_size) for result in results] == [
        (0, PLANS[0], 2),
        (1, PLANS[1], 2),
    ]
    for result in results:
        assert len(result.warmup_s) >= 4  # they run freely: the faster one may do more
        assert len(result.starts_s) == len(result.ends_s) >= 10
        assert start_s < result.starts_s[0]
        assert result.ends_s[-1] < end_s  # the parent's clock is the children's
        assert sorted((*result.starts_s, *result.ends_s)) == [
            time_s for step in zip(result.starts_s, result.ends_s, strict=True) for time_s in step
        ]


def test_waiting_for_a_step_is_waiting_for_everyone(pair: Instances) -> None:
    start_s = time.perf_counter()
    wait_steps(pair, 50)
    end_s = time.perf_counter()
    results = pair.results()
    assert all(start_s < result.starts_s[0] and result.ends_s[49] < end_s for result in results)
    window = common_window(results)
    assert window.length_s > 0
    assert 0 < min(window.images_per_s) < window.total_images_per_s


def test_results_without_a_step_are_refused(pair: Instances) -> None:
    with pytest.raises(RuntimeError, match="not running: call wait_step first"):
        pair.results()


def test_killed_instance_is_named_at_once_and_no_child_survives(tiny_graph: Path) -> None:
    with Instances(tiny_graph, Precision.FP32, PLANS, batch_size=2) as instances:
        instances.wait_step()
        os.kill(instances.pids[1], signal.SIGKILL)
        start_s = time.monotonic()
        with pytest.raises(InstanceError, match=f"^Instance 1 on CPUs {CPUS[-1]} was killed by SIGKILL"):
            wait_steps(instances, 10_000)
        assert time.monotonic() - start_s < 5
        assert not any(map(is_alive, instances.pids))  # without waiting for the end of the with block


def test_broken_graph_is_told_by_the_child_and_nobody_is_left(tmp_path: Path) -> None:
    graph_file = tmp_path / "broken.pb"
    graph_file.write_bytes(b"this is no graph")
    instances = Instances(graph_file, Precision.FP32, PLANS, batch_size=1)
    sentence = rf"^Instance 0 on CPUs {CPUS[0]} ended with exit status 4; its last words: .*broken\.pb"
    with pytest.raises(InstanceError, match=sentence), instances:
        pytest.fail("started with a broken graph")
    assert len(instances.pids) == 2
    assert not any(map(is_alive, instances.pids))


def test_children_end_with_a_parent_that_is_killed(tiny_graph: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tiny_graph), *(str(plan.cpus[0]) for plan in PLANS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout
        pids = tuple(int(pid) for pid in parent.stdout.readline().split())
        assert len(pids) == 2
        assert all(map(is_alive, pids))
        parent.kill()
    wait_for_death(pids, limit_s=5)
