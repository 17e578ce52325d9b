"""The child process that runs a step of each batch size under ONEDNN_VERBOSE=1, which it must have from its start."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import replace

from resnet_fixtures.inference.child import ChildOrder, run_child

CONVOLUTIONS = "graph_convolutions="
BATCH_SIZE = "batch_size="  # of the lines that follow


def main() -> None:
    """Say how many convolutions the graph has, then run it once for each batch size among the arguments.

    The order, whose own batch size does not count, comes in on standard input.
    """
    order = ChildOrder.from_json(sys.stdin.read())
    graph = order.load_pinned()
    convolutions = sum("Conv2D" in node.op for node in graph.graph_def.node)
    say(f"{CONVOLUTIONS}{convolutions}")
    for size in sys.argv[1:]:
        say(f"{BATCH_SIZE}{size}")
        session, _ = replace(order, batch_size=int(size)).open_session(graph)
        session.close()


def say(line: str) -> None:
    """Write a line behind all that oneDNN has written to the same pipe, and before all that it will."""
    ctypes.CDLL(None).fflush(None)
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run_child(main)
