"""Compute what averaging gradients by a ring costs, and what is left of a training's speed.

    python -m benchmarks.ring_cost --images-per-s 7 --batch 32

A ring of N ranks sends 2 (N - 1) messages of V / N bytes one after the other: it reduces in the first half and
gathers in the second. The link is a host's: however many ranks it has, one stream of the ring leaves it. Computing and
averaging do not overlap. `--images-per-s` is what one rank computes, averaging left out.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

PARAMETERS = 25_559_081  # ResNet-50 with 1001 classes
RANKS = (2, 8, 32, 256)
LINKS_GBIT_PER_S = (10.0, 100.0)
MESSAGE_S = 25e-6  # supposed: one message of a few bytes by TCP, MPI included
GLOBAL_BATCH = 4096  # the convergence recipe's


@dataclass(frozen=True)
class Ring:
    """Ranks, the link of each, and the bytes that each has to average."""

    ranks: int
    gbit_per_s: float
    size_bytes: int
    message_s: float = MESSAGE_S

    @property
    def seconds(self) -> float:
        """Return the time of one average."""
        messages = 2 * (self.ranks - 1)
        return messages * (self.size_bytes / self.ranks * 8 / (self.gbit_per_s * 1e9) + self.message_s)

    def efficiency(self, batch_size: float, images_per_s: float) -> float:
        """Return the share of a step in which a rank computes, 1 being the speed without averaging."""
        computing_s = batch_size / images_per_s
        return computing_s / (computing_s + self.seconds)

    def batch_for(self, efficiency: float, images_per_s: float) -> float:
        """Return a rank's batch from which on the efficiency is reached."""
        return self.seconds * efficiency / (1 - efficiency) * images_per_s


def rings(size_bytes: int, message_s: float = MESSAGE_S) -> list[Ring]:
    """List what the tables show."""
    return [Ring(ranks, link, size_bytes, message_s) for link in LINKS_GBIT_PER_S for ranks in RANKS]


def ring_table(size_bytes: int, message_s: float = MESSAGE_S) -> str:
    """Write what one average costs."""
    lines = ["link (Gbit/s)  ranks  ring (s)"]
    lines += [f"{ring.gbit_per_s:13g}  {ring.ranks:5}  {ring.seconds:8.3f}" for ring in rings(size_bytes, message_s)]
    return "\n".join(lines)


def training_table(size_bytes: int, images_per_s: float, batch_size: int, message_s: float = MESSAGE_S) -> str:
    """Write what is left of a training's speed, with a batch for each rank and with one for all."""
    titles = ("link (Gbit/s)", "ranks", "ring (s)", f"{batch_size} a rank", "for 0.9", f"{GLOBAL_BATCH} in all")
    lines = ["  ".join(titles)]
    for ring in rings(size_bytes, message_s):
        lines += [
            f"{ring.gbit_per_s:13g}  {ring.ranks:5}  {ring.seconds:8.3f}"
            f"  {ring.efficiency(batch_size, images_per_s):{len(titles[3])}.2f}"
            f"  {ring.batch_for(0.9, images_per_s):7.1f}"
            f"  {ring.efficiency(GLOBAL_BATCH / ring.ranks, images_per_s):{len(titles[5])}.2f}"
        ]
    return "\n".join(lines)


def main() -> None:
    """Print the table that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parameters", type=int, default=PARAMETERS)
    parser.add_argument("--bytes-per-value", type=int, default=4, help="4 for float32 gradients, 2 for bfloat16")
    parser.add_argument("--message-s", type=float, default=MESSAGE_S)
    parser.add_argument("--images-per-s", type=float, help="what one rank computes; without it the ring alone is shown")
    parser.add_argument("--batch", type=int, default=32, help="images of one rank in a step")
    given = parser.parse_args()
    size_bytes = given.parameters * given.bytes_per_value
    if given.images_per_s is None:
        print(ring_table(size_bytes, given.message_s))
    else:
        print(training_table(size_bytes, given.images_per_s, given.batch, given.message_s))


if __name__ == "__main__":
    main()
