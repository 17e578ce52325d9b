"""Several inference processes side by side, each on CPUs of its own."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

from resnet_fixtures.inference.child import ChildOrder
from resnet_fixtures.inference.common_window import InstanceResult, Steps
from resnet_fixtures.inference.instance import Instance, InstanceError
from resnet_fixtures.timing.measurement import warm_up

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from resnet_fixtures.hardware.thread_plan import ThreadPlan
    from resnet_fixtures.precision import Precision
    from resnet_fixtures.timing.measurement import StepBudget, WarmUp

PATIENCE_S = 600.0
Answer = TypeVar("Answer")


class Instances:
    """Start one process for each plan, warm them up together, and let them all run until their results are asked for.

        with Instances(graph_file, Precision.INT8, plans, batch_size=16, environ=environ) as instances:
            warmup = instances.warm_up(budget)
            benchmark.pedantic(instances.wait_step, rounds=plan_steps(warmup, budget), iterations=1)
            window = common_window(instances.results())

    `environ` is the user's environment, before anyone sized OpenMP to the whole machine. `images_file` is a .npy batch
    for every instance; without one each draws its own dummy images. An instance that dies, or says nothing for
    `patience_s`, is an InstanceError from whichever call meets it, and the end of them all.
    """

    def __init__(
        self,
        graph_file: Path,
        precision: Precision,
        plans: Sequence[ThreadPlan],
        batch_size: int,
        images_file: Path | None = None,
        environ: Mapping[str, str] = os.environ,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._orders = [
            ChildOrder(graph_file, precision, plan, batch_size, images_file, index) for index, plan in enumerate(plans)
        ]
        self._environ = environ
        self._patience_s = patience_s
        self._instances: list[Instance] = []
        self._warmups_s: list[tuple[float, ...]] = [() for _ in plans]
        self._is_running = False
        self._stack = ExitStack()

    @property
    def pids(self) -> tuple[int, ...]:
        """Return the process ids, in the order of the plans."""
        return tuple(instance.pid for instance in self._instances)

    def warm_up(
        self,
        budget: StepBudget,
        on_warmup: Callable[[int, float], object] | None = None,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> WarmUp:
        """Warm up all instances at once, then halt them; the times are the slowest one's, as `wait_step` has them."""
        warmup = warm_up(self.wait_step, budget, clock, on_warmup)
        self._warmups_s = [steps.durations_s() for steps in self._halt()]
        return warmup

    def wait_step(self) -> None:
        """Block until every instance has finished one more step; the first call releases them all at once.

        They run freely, nobody waits for a slower one, so n calls take as long as the slowest instance's n steps.
        """
        if not self._is_running:
            self._ask_each(Instance.release)
            self._is_running = True
        self._ask_each(Instance.wait_step)

    def results(self) -> tuple[InstanceResult, ...]:
        """Halt the instances and return what each did since its release; RuntimeError if nobody waited for a step."""
        return tuple(
            InstanceResult(index, order.plan, order.batch_size, warmup_s, steps.starts_s, steps.ends_s)
            for index, (order, warmup_s, steps) in enumerate(
                zip(self._orders, self._warmups_s, self._halt(), strict=True)
            )
        )

    def close(self) -> None:
        """Kill them all."""
        self._stack.close()

    def __enter__(self) -> Instances:
        with ExitStack() as stack:
            for index, order in enumerate(self._orders):
                instance = Instance(f"Instance {index}", order, self._environ, self._patience_s)
                self._instances.append(stack.enter_context(instance))
            for instance in self._instances:
                instance.give_order()
            for instance in self._instances:
                instance.wait_until_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _halt(self) -> list[Steps]:
        if not self._is_running:
            raise RuntimeError("the instances are not running: call wait_step first.")
        self._ask_each(Instance.request_halt)
        self._is_running = False
        return self._ask_each(Instance.wait_halt)

    def _ask_each(self, ask: Callable[[Instance], Answer]) -> list[Answer]:
        try:
            return [ask(instance) for instance in self._instances]
        except InstanceError:
            self.close()
            raise
