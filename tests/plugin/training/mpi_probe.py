"""What a rank of test_communicator.py and test_cluster.py does: try each method, and write down what came of it.

`mpi_probe.py FOLDER`: the report goes to FOLDER/<rank>.json, the mean of the vectors to FOLDER/<rank>.npy.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from resnet_fixtures.training.communicator import connect

VALUES = 100_003  # no number of ranks divides it
TEXT = "Grüße {}\n" * 1000


def vector_of(rank: int) -> np.ndarray:
    return np.random.default_rng(rank).random(VALUES, dtype=np.float32)


def main(folder: Path) -> None:
    ranks = connect()
    flat = vector_of(ranks.rank)
    np.save(folder / f"{ranks.rank}.npy", ranks.mean(flat))
    report = {
        "kind": type(ranks).__name__,
        "size": ranks.size,
        "name": ranks.name,
        "is_input_unchanged": bool((flat == vector_of(ranks.rank)).all()),
        "second_mean": ranks.mean(np.full(3, ranks.rank, np.float32)).tolist(),
        "total": ranks.total([ranks.rank + 1, 2**40]),
        "is_text_heard": ranks.broadcast(TEXT if ranks.rank == 0 else None) == TEXT,
        "empty_text": ranks.broadcast("" if ranks.rank == 0 else None),
        "decisions": [ranks.decide(ranks.rank == 0), ranks.decide(ranks.rank != 0)],
    }
    (folder / f"{ranks.rank}.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
