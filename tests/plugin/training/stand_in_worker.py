"""A worker that does as it is told instead of training: `stand_in_worker.py WHAT [RANK]`.

It tells the order's threads, the number of ranks and their CPUs as Begun's step, steps and steps_per_epoch (a sum of
bits, so that CPUs that two ranks share show), and the mean of the ranks' numbers as each Step's loss. `train` ends
after STEPS; otherwise the victim meets its fate after STEPS, and the others go on.
"""

from __future__ import annotations

import os
import signal
import sys
import time

import numpy as np

from resnet_fixtures.errors import InputError
from resnet_fixtures.training.communicator import Communicator, run_rank
from resnet_fixtures.training.events import Begun, Ended, Event, Step, format_event
from resnet_fixtures.training.order import Order

STEPS = 3
WHAT, VICTIM = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0


def work(ranks: Communicator) -> None:
    order = Order.from_json(ranks.broadcast(sys.stdin.readline() if ranks.rank == 0 else None))
    cpus = ranks.total([sum(1 << cpu for cpu in os.sched_getaffinity(0))])
    tell(ranks, Begun(step=order.threads, steps=ranks.size, steps_per_epoch=cpus[0], parameters=0))
    for number in range(1, STEPS + 1 if WHAT == "train" else 1_000_000):
        mean = ranks.mean(np.full(1000, ranks.rank, np.float32))
        tell(ranks, Step(number, float(mean[0]), 0.0, 0.0, 0.0, 0.0))
        if number == STEPS and ranks.rank == VICTIM:
            meet_fate()
        time.sleep(0.01)
    tell(ranks, Ended(step=STEPS, seconds=0.0, reached=True))


def tell(ranks: Communicator, event: Event) -> None:
    if ranks.rank == 0:
        sys.stdout.write(f"{format_event(event)}\n")
        sys.stdout.flush()


def meet_fate() -> None:
    sys.stderr.write("I feel unwell\n")
    sys.stderr.flush()
    if WHAT == "cut off":
        sys.stdout.write(format_event(Step(STEPS + 1, 0.0, 0.0, 0.0, 0.0, 0.0))[:30])
        sys.stdout.flush()
    if WHAT in ("killed", "cut off"):
        os.kill(os.getpid(), signal.SIGKILL)
    elif WHAT == "raising":
        raise ValueError("a bug")
    elif WHAT == "refusing":
        raise InputError("--data-location /x is empty: pass another.")
    elif WHAT == "leaving":
        sys.exit(0)


if __name__ == "__main__":
    run_rank(work)
