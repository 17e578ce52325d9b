"""Take one sample in a fresh process: start it, let it warm up, ask for its steps, and see to its end."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from resnet_fixtures.errors import REFUSED, InputError, RunError
from resnet_fixtures.gate.samples import ProcessSample
from resnet_fixtures.inference.child import inference_environment
from resnet_fixtures.inference.piped_child import PipedChild

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from resnet_fixtures.gate.sample_order import SampleOrder

WORKER = ("-m", "resnet_fixtures.gate.sample_worker")
PATIENCE_S = 600.0  # for one answer: a start, or one turn of steps
OWN_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__")


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
        environment = inference_environment(order.child.plan, environ)
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


class FreshProcess(PipedChild):
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
        self._order = order
        environment = interpreter.environment(order, environ)
        # `python -m` looks for packages in its folder first
        super().__init__(
            interpreter.name, [interpreter.python, *WORKER], environment, patience_s, folder=interpreter.packages
        )

    def prepare(self) -> Greeting:
        """Let the process load its graph and warm up, and wait for that."""
        answer = self._ask(self._order.with_absolute_paths().to_json())
        return Greeting(answer["versions"], answer["reference"], tuple(answer["warmup_s"]))

    def run(self, steps: int, slowdown: float = 0.0) -> ProcessSample:
        """Run so many steps, and return them without the warm-ups; for experiments, each longer by a share of it."""
        answer = self._ask(f"{steps} {slowdown}" if slowdown else str(steps))
        return ProcessSample(
            steps_s=tuple(time_ns / 1e9 for time_ns in answer["steps_ns"]),
            reference_s=tuple(time_ns / 1e9 for time_ns in answer["reference_ns"]),
        )

    def _ask(self, question: str) -> dict[str, Any]:
        self._send(question.encode() + b"\n")
        return self._parse(self._receive())

    def _parse(self, line: bytes) -> dict[str, Any]:
        """Read an answer; what an environment prints at Python's start comes before the worker can turn it away."""
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise RunError(f"{self._name} wrote {line[:100]!r} instead of an answer.")
        return answer

    def _explain_end(self, status: int, log: str) -> RunError | InputError:
        if status == REFUSED:
            return InputError(f"{self._name}: {log.rstrip().rpartition(chr(10))[2]}")
        return super()._explain_end(status, log)


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
