"""Take one sample in a fresh process: start it, let it warm up, ask for its steps, and see to its end."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from resnet_fixtures.errors import InputError, RunError
from resnet_fixtures.gate.samples import ProcessSample
from resnet_fixtures.inference.child import INPUT_ERROR_STATUS, child_environment, describe_end

if TYPE_CHECKING:
    import io
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from resnet_fixtures.gate.sample_order import SampleOrder

WORKER = ("-m", "resnet_fixtures.gate.sample_worker")
PATIENCE_S = 600.0  # for one answer: a start, or one turn of steps
OWN_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__")
EXIT_TIME_S = 10.0  # from the end of a child's output to its exit status


@dataclass(frozen=True)
class Interpreter:
    """A Python that can run the worker: its path, the folder of this package as it shall see it, and its name.

    `packages` None is this very environment.
    """

    python: str = sys.executable
    packages: Path | None = None
    name: str = "The sampling process"

    def environment(self, order: SampleOrder, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the user's environment, and none of this one's packages for another."""
        environment = child_environment(order.child.plan, environ)
        if self.packages is None:
            return environment
        return {**foreign_environment(environment), "PYTHONPATH": str(self.packages)}


THIS_INTERPRETER = Interpreter()


def foreign_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what leads another Python to this one's packages."""
    return {name: value for name, value in environ.items() if name not in OWN_VARIABLES}


@dataclass(frozen=True)
class Greeting:
    """What a process says when it is ready: versions, the reference kernel's facts (None: none), its warm-ups."""

    versions: Mapping[str, str]
    reference: Mapping[str, object] | None
    warmup_s: tuple[float, ...]


class FreshProcess:
    """A live sampling process, asleep unless it is asked for steps.

        with FreshProcess(order, environ) as process:
            warmup_s = process.prepare().warmup_s
            sample = process.run(50)

    It is killed at the end of the block, and dies with the thread that started it. A process that dies or says nothing
    for `patience_s` is a RunError with its name and its end; one that refuses its order an InputError.
    """

    def __init__(
        self,
        order: SampleOrder,
        environ: Mapping[str, str] = os.environ,
        interpreter: Interpreter = THIS_INTERPRETER,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._name = interpreter.name
        self._patience_s = patience_s
        self._order = order
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        try:
            self._process = subprocess.Popen(
                [interpreter.python, *WORKER],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=interpreter.environment(order, environ),
                cwd=interpreter.packages,  # `python -m` looks for packages there first
            )
        except OSError as error:
            self._log.close()
            raise RunError(f"{self._name} cannot be started ({error.strerror}).") from error
        self._poll = select.poll()
        self._poll.register(self._reports, select.POLLIN)

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def prepare(self) -> Greeting:
        """Let the process load its graph and warm up, and wait for that."""
        self._send(self._order.with_absolute_paths().to_json())
        answer = self._receive()
        return Greeting(answer["versions"], answer["reference"], tuple(answer["warmup_s"]))

    def run(self, steps: int) -> ProcessSample:
        """Run so many steps, and return them without the warm-ups."""
        self._send(str(steps))
        answer = self._receive()
        return ProcessSample(
            steps_s=tuple(time_ns / 1e9 for time_ns in answer["steps_ns"]),
            reference_s=tuple(time_ns / 1e9 for time_ns in answer["reference_ns"]),
        )

    def close(self) -> None:
        """Kill the process, wherever it is, and free what belongs to it."""
        with self._process:  # closes the pipes and waits
            self._process.kill()
        self._log.close()

    def __enter__(self) -> FreshProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _reports(self) -> io.FileIO:
        reports: io.FileIO = self._process.stdout  # type: ignore[assignment]
        return reports

    def _send(self, line: str) -> None:
        try:
            self._process.stdin.write(line.encode() + b"\n")  # type: ignore[union-attr]
        except BrokenPipeError:
            self._fail()

    def _receive(self) -> dict[str, Any]:
        if not self._poll.poll(self._patience_s * 1000):
            raise RunError(
                f"{self._name} has not answered for {self._patience_s:g} s: it hangs, or its steps take longer."
            )
        line = self._reports.readline()
        if not line.endswith(b"\n"):
            self._fail()
        return self._parse(line)

    def _parse(self, line: bytes) -> dict[str, Any]:
        """Read an answer; what an environment prints at Python's start comes before the worker can turn it away."""
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise RunError(f"{self._name} wrote {line[:100]!r} instead of an answer.")
        return answer

    def _fail(self) -> None:
        try:
            status = self._process.wait(EXIT_TIME_S)
        except subprocess.TimeoutExpired:
            raise RunError(f"{self._name} has closed its output, but it has not ended.") from None
        self._log.seek(0)
        log = self._log.read().decode(errors="replace")
        if status == INPUT_ERROR_STATUS:
            raise InputError(f"{self._name}: {log.rstrip().rpartition(chr(10))[2]}")
        raise RunError(f"{self._name} {describe_end(status, log)}")


def draw_sample(
    order: SampleOrder,
    environ: Mapping[str, str] = os.environ,
    interpreter: Interpreter = THIS_INTERPRETER,
    patience_s: float = PATIENCE_S,
) -> ProcessSample:
    """Start one process, take its sample, and end it; raises as FreshProcess does.

    `environ` is the user's environment. The caller sleeps meanwhile, so it takes no time from the CPUs of the plan.
    """
    with FreshProcess(order, environ, interpreter, patience_s) as process:
        warmup_s = process.prepare().warmup_s
        return replace(process.run(order.budget.plan_steps(warmup_s)), warmup_s=warmup_s)
