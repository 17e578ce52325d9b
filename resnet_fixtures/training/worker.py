"""Be one rank of a training: `python -m resnet_fixtures.training.worker`, alone or under mpirun.

Rank 0 reads the order from its standard input and writes events to its standard output.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from resnet_fixtures.training.communicator import run_rank
from resnet_fixtures.training.events import format_event
from resnet_fixtures.training.order import Order

if TYPE_CHECKING:
    from resnet_fixtures.training.communicator import Communicator
    from resnet_fixtures.training.events import Event

INTER_THREADS = 1  # operations of a training step follow each other; oneDNN splits each over the intra-op pool


def work(communicator: Communicator) -> None:
    """Read the order, size TensorFlow's pools by it, and train."""
    order = Order.from_json(communicator.broadcast(sys.stdin.readline() if communicator.rank == 0 else None))
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(order.threads)
    tf.config.threading.set_inter_op_parallelism_threads(INTER_THREADS)
    from resnet_fixtures.training.loop import train

    train(order, communicator, tell)


def tell(event: Event) -> None:
    """Write an event for whoever started this process, as one piece."""
    sys.stdout.write(f"{format_event(event)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run_rank(work)
