"""The child process that runs one step under ONEDNN_VERBOSE=1, which a process must have from its start."""

from __future__ import annotations

import sys

from resnet_fixtures.inference.child import ChildOrder, run_child

CONVOLUTIONS = "graph_convolutions="


def main() -> None:
    """Say how many convolutions the graph has, then run it once; the order comes in on standard input."""
    order = ChildOrder.from_json(sys.stdin.read())
    graph = order.load_pinned()
    convolutions = sum("Conv2D" in node.op for node in graph.graph_def.node)
    sys.stdout.write(f"{CONVOLUTIONS}{convolutions}\n")
    sys.stdout.flush()  # before oneDNN writes to the same pipe
    order.open_session(graph)


if __name__ == "__main__":
    run_child(main)
