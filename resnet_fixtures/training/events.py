"""What rank 0 tells the process that started the training: one JSON object a line, behind a mark of its own.

Under mpirun the standard output of all ranks arrives in one stream, so other lines are ignored.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias, get_args

MARK = "@resnet_fixtures "


@dataclass(frozen=True)
class Begun:
    """The loop begins, at `step` (0 unless a checkpoint was resumed) of `steps` at most.

    `digests` are the result's fields that say which images are seen, see DataDigests.
    """

    step: int
    steps: int
    steps_per_epoch: int
    parameters: int
    digests: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """A step is over; `number` counts from 1, `loss` is the mean over the global batch, its L2 term included.

    `seconds` is the whole step: waiting for the input (`input_s`), computing, and averaging the gradients over the
    ranks (`communication_s`).
    """

    number: int
    loss: float
    learning_rate: float
    seconds: float
    input_s: float
    communication_s: float


@dataclass(frozen=True)
class Evaluated:
    """All validation images were scored after `epoch` (from 1)."""

    epoch: int
    step: int
    correct1: int
    correct5: int
    images: int
    seconds: float

    @property
    def top1(self) -> float:
        """Return the share of images whose first guess was right."""
        return self.correct1 / self.images


@dataclass(frozen=True)
class Saved:
    """A checkpoint is on the disk."""

    path: str
    step: int


@dataclass(frozen=True)
class Logged:
    """An entry of MLPerf's log; a resumed run tells the earlier entries again, with their own times."""

    entry: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """The loop is over: after `step` steps in all, `seconds` from the first step to the last evaluation.

    `reached` tells whether an evaluation met the threshold. A resumed run counts the seconds of the earlier
    ones too.
    """

    step: int
    seconds: float
    reached: bool


@dataclass(frozen=True)
class Refused:
    """The order cannot be carried out: a sentence that names the thing and the cure, meant for the user."""

    sentence: str


Event: TypeAlias = Begun | Step | Evaluated | Saved | Logged | Ended | Refused
KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}


def format_event(event: Event) -> str:
    """Write an event as a line."""
    return MARK + json.dumps({"kind": type(event).__name__, **asdict(event)})


def parse_event(line: str) -> Event | None:
    """Read a line; None where it is no event, or the part of one that a killed rank has written.

    What mpirun puts in front of a line does not matter.
    """
    _, mark, text = line.partition(MARK)
    if not mark:
        return None
    try:
        fields = json.loads(text)
    except json.JSONDecodeError:
        return None
    return KINDS[fields.pop("kind")](**fields)
