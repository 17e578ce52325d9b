"""What the child processes of inference have in common: their order, their environment, their session and their end."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet_fixtures.data.dummy import dummy_images
from resnet_fixtures.errors import REFUSED, InputError
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.hardware.library_environment import INFERENCE_VARIABLES, library_environment
from resnet_fixtures.hardware.pinning import pin
from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.inference.session import InferenceSession
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resnet_fixtures.graph.frozen import FrozenGraph
    from resnet_fixtures.inference.session import Images

LAST_LINES = 5
# TensorFlow's, at every start: information, and a complaint that there is no GPU.
CHATTER = re.compile(r"I0000 |WARNING: All log messages before|To enable the following instructions|E0000 .*cuInit")


@dataclass(frozen=True)
class ChildOrder:
    """What a child is to run, and on which CPUs.

    `images_file` is a .npy batch, float32 [batch_size, S, S, 3]; without one, the child draws dummy images from
    `images_seed`.
    """

    graph_file: Path
    precision: Precision
    plan: ThreadPlan
    batch_size: int
    images_file: Path | None = None
    images_seed: int = 0

    def to_json(self) -> str:
        """Write the order on one line."""
        return json.dumps({**asdict(self), "plan": self.plan.as_dict()}, default=str)

    @classmethod
    def from_json(cls, text: str) -> ChildOrder:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        plan: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in fields["plan"].items()
        }
        return cls(
            graph_file=Path(fields["graph_file"]),
            precision=Precision(fields["precision"]),
            plan=ThreadPlan(**plan),
            batch_size=fields["batch_size"],
            images_file=Path(fields["images_file"]) if fields["images_file"] else None,
            images_seed=fields["images_seed"],
        )

    def load_pinned(self) -> FrozenGraph:
        """Pin this process, before TensorFlow exists, and load the graph."""
        pin(self.plan.cpus)
        return load_frozen_graph(self.graph_file, self.precision)

    def open_session(self, graph: FrozenGraph) -> tuple[InferenceSession, Images]:
        """Open the session and run it once, which checks graph and images; return both."""
        images = self._read_images(graph.image_size)
        session = InferenceSession(graph, self.plan)
        session.checked_predict(images)
        return session, images

    def _read_images(self, image_size: int) -> Images:
        if self.images_file is None:
            return dummy_images(self.batch_size, image_size, self.images_seed)
        # Mapped, the instances share the memory, and it is aligned so that TensorFlow feeds it without a copy.
        images: Images = np.asarray(np.load(self.images_file, mmap_mode="r"))
        if len(images) != self.batch_size:
            raise InputError(f"{self.images_file} has {len(images)} images: write the batch size, {self.batch_size}.")
        return images


def child_command(module: str) -> list[str]:
    """Return the command that runs one of our modules with this very Python."""
    return [sys.executable, "-m", module]


def child_environment(plan: ThreadPlan, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the user's environment, with the libraries set to the child's plan and this package importable."""
    packages = [str(Path(__file__).parents[2]), *filter(None, [environ.get("PYTHONPATH")])]
    return {
        **environ,
        **library_environment(plan, environ),
        "PYTHONPATH": os.pathsep.join(packages),
    }


def inference_environment(plan: ThreadPlan, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a child without use for Keras: TensorFlow leaves it out and starts in 2.5 s, not 5."""
    return {"TF_USE_LEGACY_KERAS": "1", **INFERENCE_VARIABLES, **child_environment(plan, environ)}


def run_child(work: Callable[[], None]) -> None:
    """Run the child's work; an InputError ends the process with its sentence alone and REFUSED."""
    try:
        work()
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(REFUSED)


def describe_end(status: int, log: str) -> str:
    """Say how a process ended, for a sentence that begins with its name, and add the last lines that it wrote."""
    lines = [line.strip() for line in log.splitlines() if line.strip() and not CHATTER.match(line)][-LAST_LINES:]
    end = f"was killed by {_name_signal(-status)}" if status < 0 else f"ended with exit status {status}"
    hint = (
        " (the kernel does so when memory runs out: pass a smaller --batch-size)" if -status == signal.SIGKILL else ""
    )
    return f"{end}{hint}; its last words: {' | '.join(lines) or 'none'}"


def _name_signal(number: int) -> str:
    """Name a signal; real-time signals have numbers alone."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
