from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.inference.common_window import InstanceResult
from resnet_fixtures.inference.timed_run import time_session, write_instances, write_log
from resnet_fixtures.precision import Precision
from resnet_fixtures.report.seed_log import open_seed_log
from resnet_fixtures.timing.measurement import Measurement, StepBudget

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from resnet_fixtures.inference.session import Images, Probabilities

NOW = datetime(2026, 11, 23, 15, 4, 5, tzinfo=timezone.utc)
IMAGES = np.zeros((2, 4, 4, 3), np.float32)


class FakeSession:
    """Counts its calls."""

    def __init__(self) -> None:
        self.checked = self.plain = 0

    def checked_predict(self, images: Images) -> Probabilities:
        self.checked += 1
        return np.full((len(images), 2), 0.5, np.float32)

    def predict(self, images: Images) -> Probabilities:
        self.plain += 1
        return np.full((len(images), 2), 0.5, np.float32)


class FakeBenchmark:
    """Says that each round took a quarter of a second."""

    enabled = True
    group = None
    extra_info: dict[str, Any]

    def __init__(self) -> None:
        self.stats = SimpleNamespace(stats=SimpleNamespace(data=[]))

    def pedantic(
        self, target: Callable[[], object], *, setup: Callable[[], None] | None, rounds: int, iterations: int
    ) -> None:
        assert iterations == 1
        for _ in range(rounds):
            if setup:
                setup()
            target()
            self.stats.stats.data.append(0.25)


@pytest.mark.parametrize("is_live", [True, False])
def test_warm_ups_are_checked_and_steps_are_bare(tmp_path: Path, is_live: bool) -> None:
    session, echoed = FakeSession(), list[str]()
    with open_seed_log(tmp_path, Precision.INT8, NOW, echoed.append if is_live else None) as log:
        measurement = time_session(FakeBenchmark(), session, IMAGES, StepBudget(3, 4), log)  # type: ignore[arg-type]
    assert (session.checked, session.plain) == (3, 4)
    assert measurement.batch_size == 2
    assert measurement.steps_s == (0.25,) * 4
    lines = log.path.read_text().splitlines()
    assert [line.split(":")[0] for line in lines[:7]] == [f"Iteration {number}" for number in range(1, 8)]
    assert lines[3:7] == [f"Iteration {number}: 0.250000 sec" for number in range(4, 8)]
    assert lines[7:] == [
        "Average time: 0.250000 sec", "Batch size = 2", "Throughput: 8.000 images/sec",
        "Ran inference with batch size 2",
        f"Log file location: {log.path}",
    ]  # fmt: skip
    assert echoed == (lines if is_live else [])


def test_bad_probabilities_end_the_run_before_it_is_timed(tmp_path: Path) -> None:
    class Broken(FakeSession):
        def checked_predict(self, images: Images) -> Probabilities:
            raise InputError("g.pb gave probabilities that sum to 3: pass another graph.")

    session = Broken()
    with (
        open_seed_log(tmp_path, Precision.INT8, NOW) as log,
        pytest.raises(InputError, match="sum to 3"),
    ):
        time_session(FakeBenchmark(), session, IMAGES, StepBudget(3, 4), log)  # type: ignore[arg-type]
    assert session.plain == 0
    assert "Ran inference" not in log.path.read_text()


def test_steps_are_not_logged_twice(tmp_path: Path) -> None:
    with open_seed_log(tmp_path, Precision.INT8, NOW) as log:
        write_log(log, Measurement(1, (0.5,), (0.25, 0.25)), logged=True)
    assert "Iteration" not in log.path.read_text()
    assert "Latency: 250.000 ms" in log.path.read_text()


def test_each_instance_has_its_own_throughput_to_add_up(tmp_path: Path) -> None:
    def result(index: int, cpus: tuple[int, ...], step_s: float) -> InstanceResult:
        plan = ThreadPlan(cpus, intra=2, inter=1, data_intra=1, data_inter=1, quota=None, sockets=(0,), nodes=(0,))
        return InstanceResult(index, plan, 8, (1.0,), (0.0, step_s), (step_s, 2 * step_s))

    with open_seed_log(tmp_path, Precision.INT8, NOW) as log:
        write_instances(log, [result(0, (0, 1), 0.5), result(1, (2, 3), 0.25)])
    assert log.path.read_text().splitlines() == [
        "Instance 0 on CPUs 0-1",
        "Iteration 1: 1.000000 sec", "Iteration 2: 0.500000 sec", "Iteration 3: 0.500000 sec",
        "Average time: 0.500000 sec", "Batch size = 8", "Throughput: 16.000 images/sec",
        "Instance 1 on CPUs 2-3",
        "Iteration 1: 1.000000 sec", "Iteration 2: 0.250000 sec", "Iteration 3: 0.250000 sec",
        "Average time: 0.250000 sec", "Batch size = 8", "Throughput: 32.000 images/sec",
        "Ran inference with batch size 8",
        f"Log file location: {log.path}",
    ]  # fmt: skip
