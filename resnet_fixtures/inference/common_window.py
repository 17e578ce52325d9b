"""The time during which all instances ran, and what they did in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet_fixtures.hardware.thread_plan import ThreadPlan


class Steps(NamedTuple):
    """When the steps of one free run started and ended, in seconds of a clock that the instances share."""

    starts_s: tuple[float, ...]
    ends_s: tuple[float, ...]

    def durations_s(self) -> tuple[float, ...]:
        """Return how long each step took."""
        return tuple(end - start for start, end in zip(self.starts_s, self.ends_s, strict=True))


@dataclass(frozen=True)
class InstanceResult:
    """The warm-up times of one instance, and when each measured step started and ended (see Steps), all in seconds."""

    index: int
    plan: ThreadPlan
    batch_size: int
    warmup_s: tuple[float, ...]
    starts_s: tuple[float, ...]
    ends_s: tuple[float, ...]

    @property
    def steps_s(self) -> tuple[float, ...]:
        """Return how long each measured step took."""
        return Steps(self.starts_s, self.ends_s).durations_s()


@dataclass(frozen=True)
class CommonWindow:
    """The window, in seconds of the instances' clock, and the images that each instance did in it."""

    start_s: float
    end_s: float
    images: tuple[float, ...]

    @property
    def length_s(self) -> float:
        """Return how long all instances ran at once."""
        return self.end_s - self.start_s

    @property
    def images_per_s(self) -> tuple[float, ...]:
        """Return each instance's throughput."""
        return tuple(images / self.length_s for images in self.images)

    @property
    def total_images_per_s(self) -> float:
        """Return the throughput of them all."""
        return sum(self.images) / self.length_s


def common_window(results: Sequence[InstanceResult]) -> CommonWindow:
    """Return the window from the last instance's first start to the first instance's last end.

    A step that straddles an edge counts with the part of it that lies inside; to count it whole or not at all would
    be wrong by up to a step for each instance. Instances that never ran at the same time are a ValueError.
    """
    start_s = max(result.starts_s[0] for result in results)
    end_s = min(result.ends_s[-1] for result in results)
    if end_s <= start_s:
        raise ValueError(
            f"the instances never ran at the same time: the last began at {start_s} s, the first ended at {end_s} s."
        )
    return CommonWindow(start_s, end_s, tuple(_count_images(result, start_s, end_s) for result in results))


def _count_images(result: InstanceResult, start_s: float, end_s: float) -> float:
    parts = (
        max(0.0, min(end, end_s) - max(start, start_s)) / (end - start)
        for start, end in zip(result.starts_s, result.ends_s, strict=True)
    )
    return result.batch_size * sum(parts)
