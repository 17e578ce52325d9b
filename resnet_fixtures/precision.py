"""The three numeric precisions that the suite times and scores."""

from __future__ import annotations

from enum import Enum


class Precision(str, Enum):
    """Name the arithmetic of a graph's convolutions, as the seed's `--precision` does."""

    INT8 = "int8"
    FP32 = "fp32"
    BF16 = "bf16"

    def __str__(self) -> str:
        return self.value
