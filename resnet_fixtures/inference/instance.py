"""One inference process beside others, as its parent sees it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from resnet_fixtures.errors import RunError
from resnet_fixtures.hardware.cpu_list import format_cpu_list
from resnet_fixtures.inference.child import child_command, inference_environment
from resnet_fixtures.inference.common_window import Steps
from resnet_fixtures.inference.instance_worker import GO, HALT, READY, STEP
from resnet_fixtures.inference.piped_child import PipedChild

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resnet_fixtures.inference.child import ChildOrder

WORKER_COMMAND = child_command("resnet_fixtures.inference.instance_worker")


class InstanceError(RunError):
    """An instance died or fell silent; the message names it, its CPUs, its end and its last words."""


class Instance(PipedChild):
    """An inference process; every method raises InstanceError when it is dead."""

    death = InstanceError

    def __init__(
        self,
        name: str,
        order: ChildOrder,
        environ: Mapping[str, str],
        patience_s: float,
        command: Sequence[str] = WORKER_COMMAND,
    ) -> None:
        self._order = order
        name = f"{name} on CPUs {format_cpu_list(order.plan.cpus)}"
        super().__init__(name, command, inference_environment(order.plan, environ), patience_s)

    def give_order(self) -> None:
        """Let the child load its graph and open its session."""
        self._send(self._order.to_json().encode() + b"\n")

    def wait_until_ready(self) -> None:
        """Wait for graph, session and first checked step; what the child wrote until then is forgotten."""
        self._expect(READY)
        self._forget_log()

    def release(self) -> None:
        """Let the instance repeat steps."""
        self._send(GO)

    def wait_step(self) -> None:
        """Wait for the end of the next step that nobody has waited for yet."""
        self._expect(STEP)

    def request_halt(self) -> None:
        """Ask the instance to end its free run with the step that it is in."""
        self._send(HALT)

    def wait_halt(self) -> Steps:
        """Wait for the end of the free run and return its steps."""
        line = self._receive()
        while line == STEP:
            line = self._receive()
        times = json.loads(line)
        starts_s, ends_s = (tuple(time_ns / 1e9 for time_ns in times[name]) for name in ("starts_ns", "ends_ns"))
        return Steps(starts_s, ends_s)

    def _expect(self, expected: bytes) -> None:
        if self._receive() != expected:
            self._fail()
