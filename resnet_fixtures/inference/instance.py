"""One inference process beside others, as its parent sees it."""

from __future__ import annotations

import json
import select
import subprocess
import tempfile
from typing import TYPE_CHECKING

from resnet_fixtures.errors import RunError
from resnet_fixtures.hardware.cpu_list import format_cpu_list
from resnet_fixtures.inference.child import child_command, child_environment, describe_end
from resnet_fixtures.inference.common_window import Steps
from resnet_fixtures.inference.instance_worker import GO, HALT, READY, STEP

if TYPE_CHECKING:
    import io
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from resnet_fixtures.inference.child import ChildOrder

WORKER_COMMAND = child_command("resnet_fixtures.inference.instance_worker")
EXIT_TIME_S = 10.0  # from the end of a child's output to its exit status


class InstanceError(RunError):
    """An instance died or fell silent; the message names it, its CPUs, its end and its last words."""


class Instance:
    """A child process and the lines to and from it; every method raises InstanceError when it is dead."""

    def __init__(
        self,
        name: str,
        order: ChildOrder,
        environ: Mapping[str, str],
        patience_s: float,
        command: Sequence[str] = WORKER_COMMAND,
    ) -> None:
        self._order = order
        self._name = f"{name} on CPUs {format_cpu_list(order.plan.cpus)}"
        self._patience_s = patience_s
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._log_start = 0
        self._process = subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=child_environment(order.plan, environ),
        )
        self._poll = select.poll()
        self._poll.register(self._reports, select.POLLIN)

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def give_order(self) -> None:
        """Let the child load its graph and open its session."""
        self._send(self._order.to_json().encode() + b"\n")

    def wait_until_ready(self) -> None:
        """Wait for graph, session and first checked step; what the child wrote until then is forgotten."""
        self._expect(READY)
        self._log_start = self._log.seek(0, 2)

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

    def close(self) -> None:
        """Kill the process, wherever it is, and free what belongs to it."""
        with self._process:  # closes the pipes and waits
            self._process.kill()
        self._log.close()

    def __enter__(self) -> Instance:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _reports(self) -> io.FileIO:
        reports: io.FileIO = self._process.stdout  # type: ignore[assignment]
        return reports

    def _send(self, line: bytes) -> None:
        try:
            self._process.stdin.write(line)  # type: ignore[union-attr]
        except BrokenPipeError:
            self._fail()

    def _expect(self, expected: bytes) -> None:
        if self._receive() != expected:
            self._fail()

    def _receive(self) -> bytes:
        if not self._poll.poll(self._patience_s * 1000):
            raise InstanceError(
                f"{self._name} has not answered for {self._patience_s:g} s: it hangs, or its steps take longer."
            )
        line = self._reports.readline()
        if not line.endswith(b"\n"):
            self._fail()
        return line

    def _fail(self) -> None:
        status = self._process.wait(EXIT_TIME_S)
        self._log.seek(self._log_start)
        raise InstanceError(f"{self._name} {describe_end(status, self._log.read().decode(errors='replace'))}")
