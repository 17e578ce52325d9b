"""Report an accuracy run: the result fields, and the sentence for a pair of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resnet_fixtures.accuracy.evaluate import Evaluation
    from resnet_fixtures.stats.paired import PairedComparison


def accuracy_fields(evaluation: Evaluation, facts: Mapping[str, object]) -> dict[str, object]:
    """Name what an evaluation found as the result file does, after the facts: precision, data, graph_sha256 and so on.

    The values are JSON's; intervals are [low, high] at 95 %. A field without a value stays absent.
    """
    predictions = evaluation.predictions
    top1, top5 = predictions.top1_interval, predictions.top5_interval
    fields = {
        **facts,
        "images": predictions.images,
        "correct1": predictions.correct1,
        "correct5": predictions.correct5,
        "top1": predictions.top1,
        "top5": predictions.top5,
        "top1_interval": [top1.low, top1.high],
        "top5_interval": [top5.low, top5.high],
        "resumed_images": evaluation.resumed_images,
        "seconds": evaluation.seconds,
        "first_batch_s": evaluation.first_batch_s,
        "images_per_s": evaluation.images_per_s,
    }
    return {name: value for name, value in fields.items() if value is not None}


def paired_sentence(name_a: str, name_b: str, comparison: PairedComparison) -> str:
    """Say whether two runs over the same images really differ, with the counts behind it."""
    interval = comparison.difference_interval
    finding = "differ" if comparison.is_different() else "do not differ beyond chance"
    return (
        f"{name_a} and {name_b} {finding} on {comparison.images:,} images: {comparison.only_a:,} right with {name_a} "
        f"alone, {comparison.only_b:,} with {name_b} alone; top-1 {comparison.difference:+.4f} "
        f"({interval.low:+.4f} to {interval.high:+.4f} at 95 %), McNemar p = {comparison.p_value:.3g}."
    )
