"""Compare two precisions that answered the same images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from resnet_fixtures.stats.summary import Interval

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True)
class PairedComparison:
    """How two precisions, a and b, answered the same images.

    The four counts add up to the images; `difference` is the accuracy of a minus that of b; `p_value` is of the exact
    McNemar test that neither is better.
    """

    both_right: int
    only_a: int
    only_b: int
    both_wrong: int
    p_value: float
    difference: float
    difference_interval: Interval

    @property
    def images(self) -> int:
        """Count the images that both answered."""
        return self.both_right + self.only_a + self.only_b + self.both_wrong

    def is_different(self, alpha: float = 0.05) -> bool:
        """Tell whether chance alone would show such a difference in fewer than `alpha` of the runs."""
        return self.p_value < alpha


def compare_paired(
    a_correct: npt.NDArray[np.bool_], b_correct: npt.NDArray[np.bool_], confidence: float = 0.95
) -> PairedComparison:
    """Compare two boolean arrays of shape [images], True where the answer was right, in the same order of images.

    Another type than bool is a TypeError (labels would all count as right); another shape, or no images, a ValueError.
    """
    check_pair(a_correct, b_correct)
    only_a = int(np.sum(a_correct & ~b_correct))
    only_b = int(np.sum(b_correct & ~a_correct))
    both_right = int(np.sum(a_correct & b_correct))
    return PairedComparison(
        both_right=both_right,
        only_a=only_a,
        only_b=only_b,
        both_wrong=a_correct.size - both_right - only_a - only_b,
        p_value=mcnemar_p_value(only_a, only_b),
        difference=(only_a - only_b) / a_correct.size,
        difference_interval=bound_difference(only_a, only_b, a_correct.size, confidence),
    )


def check_pair(a_correct: npt.NDArray[np.bool_], b_correct: npt.NDArray[np.bool_]) -> None:
    """Refuse what cannot be paired."""
    if a_correct.dtype != np.bool_ or b_correct.dtype != np.bool_:
        raise TypeError(f"a paired comparison takes boolean arrays, not {a_correct.dtype} and {b_correct.dtype}")
    if a_correct.shape != b_correct.shape or a_correct.ndim != 1 or a_correct.size == 0:
        raise ValueError(f"a paired comparison takes the same images, not {a_correct.shape} and {b_correct.shape}")


def mcnemar_p_value(only_a: int, only_b: int) -> float:
    """Test exactly, by the binomial distribution, whether the images that one alone got right favour either of them."""
    from scipy.stats import binomtest

    discordant = only_a + only_b
    return float(binomtest(only_a, discordant).pvalue) if discordant else 1.0


def bound_difference(only_a: int, only_b: int, images: int, confidence: float) -> Interval:
    """Bound the accuracy difference by Bonett and Price's adjusted Wald interval for paired proportions (2012).

    Its one added image on each side keeps the width above zero when the two never disagree.
    """
    share_a, share_b = (only_a + 1) / (images + 2), (only_b + 1) / (images + 2)
    centre = share_a - share_b
    half_width = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt((share_a + share_b - centre**2) / (images + 2))
    return Interval(max(-1.0, centre - half_width), min(1.0, centre + half_width), confidence)
