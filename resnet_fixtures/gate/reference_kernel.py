"""The reference kernel: work of a step's kind whose time tells how fast the machine is just now.

It must not come from the library under test, or a slow library would slow its own measure. So it is numpy's matrix
product, single-threaded (see `ONE_BLAS_THREAD`), dispatched on as many Python threads as the step has.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float32]

# Must be in the environment before numpy is imported.
ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "BLIS_NUM_THREADS": "1"}
# As the fourth stage of ResNet-50 has them: 14 * 14 pixels, 1024 and 256 channels. The weights take 25 MB, so that
# they stream through the caches as the network's do.
ROWS, WIDE, NARROW, PAIRS = 196, 1024, 256, 12
MIN_PARTS = 4  # of one product: a thread that is held up leaves its share to the others, as in TensorFlow's pool
# The chain takes 0.25 to 0.5 of an fp32 image's step; it is repeated to keep near that share.
IMAGES_A_CHAIN = {Precision.INT8: 4, Precision.BF16: 2, Precision.FP32: 1}


class ReferenceKernel:
    """Multiplies a chain of matrices, float32 [196, 1024] @ [1024, 256] and back, `repeats` times over."""

    def __init__(self, threads: int, repeats: int) -> None:
        rng = np.random.default_rng(0)
        self._repeats = repeats
        self._weights = [
            (_draw(rng, WIDE, NARROW), _draw(rng, NARROW, WIDE)) for _ in range(PAIRS)
        ]  # all different, else they would stay in the cache
        self._input, self._narrow, self._output = _draw(rng, ROWS, WIDE), _empty(NARROW), _empty(WIDE)
        self._parts = _cut(ROWS, max(MIN_PARTS, threads))
        self._pool = ThreadPoolExecutor(threads, "reference")

    def __call__(self) -> None:
        """Run the chain."""
        for _ in range(self._repeats):
            for down, up in self._weights:
                self._multiply(self._input, down, self._narrow)
                self._multiply(self._narrow, up, self._output)

    def _multiply(self, left: Matrix, right: Matrix, out: Matrix) -> None:
        def multiply_part(rows: slice) -> None:
            np.matmul(left[rows], right, out=out[rows])

        for _ in self._pool.map(multiply_part, self._parts):
            pass


def make_reference_kernel(threads: int, batch_size: int, precision: Precision) -> ReferenceKernel:
    """Return the kernel for steps of so many images: the same work wherever the arguments are the same."""
    return ReferenceKernel(threads, count_repeats(batch_size, precision))


def count_repeats(batch_size: int, precision: Precision) -> int:
    """Count the chains beside a step, so that both take times of one order."""
    return max(1, round(batch_size / IMAGES_A_CHAIN[precision]))


def reference_facts(threads: int, batch_size: int, precision: Precision) -> dict[str, object]:
    """Say what the kernel is: two processes' references compare where these are equal."""
    return {
        "kernel": f"{2 * PAIRS} sgemm {ROWS}x{WIDE}x{NARROW}",
        "repeats": count_repeats(batch_size, precision),
        "threads": threads,
        "numpy": np.__version__,
        "blas": _describe_blas(),
    }


def _describe_blas() -> str:
    """Name the library that multiplies numpy's matrices, and its version."""
    try:
        configuration: dict[str, Any] = np.show_config(mode="dicts")  # type: ignore[assignment]
        blas = configuration["Build Dependencies"]["blas"]
        return f"{blas['name']} {blas['version']}"
    except (TypeError, KeyError):  # numpy before 1.25, or built without telling
        return "unknown"


def _draw(rng: np.random.Generator, rows: int, columns: int) -> Matrix:
    return rng.standard_normal((rows, columns), dtype=np.float32)


def _empty(columns: int) -> Matrix:
    return np.empty((ROWS, columns), dtype=np.float32)


def _cut(rows: int, parts: int) -> list[slice]:
    return [slice(rows * part // parts, rows * (part + 1) // parts) for part in range(parts)]
