"""What a training does to the weights: every number that two runs must share to end alike, with MLPerf's defaults."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from typing import Any

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.precision import Precision

BASE_LEARNING_RATE = 0.128  # for a global batch of LEARNING_RATE_BATCH, as MLPerf's reference has it
FINE_TUNE_LEARNING_RATE = 0.1  # what the reference's --fine_tune sets, and nothing else
LEARNING_RATE_BATCH = 256
DROP_FACTOR = 0.1
TRAINED_PRECISIONS = (Precision.FP32, Precision.BF16)


class Augmentation(str, Enum):
    """What is done to a training image beyond what evaluation does; the first is the reference's."""

    CROP_AND_FLIP = "crop and flip"
    SHIFT = "shift"
    NONE = "none"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Recipe:
    """How a model is trained; the defaults are those of MLPerf's reference for ImageNet.

    The learning rate is `base_learning_rate * global batch / 256`. It rises from 0 in a line over `warmup_epochs` and
    is multiplied by 0.1 at each of `drop_epochs`. `weight_decay` is that of the L2 term of the loss, without batch
    norm. `batch_size` is one rank's. bf16 keeps its weights, its loss and its optimizer in fp32.
    """

    architecture: Architecture = field(default_factory=Architecture)
    precision: Precision = Precision.FP32
    batch_size: int = 32
    ranks: int = 1
    base_learning_rate: float = BASE_LEARNING_RATE
    momentum: float = 0.9
    warmup_epochs: float = 5.0
    drop_epochs: tuple[float, ...] = (30.0, 60.0, 80.0, 90.0)
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    augmentation: Augmentation = Augmentation.CROP_AND_FLIP
    zero_last_gamma: bool = False  # start each block as the identity (Goyal et al. 2017, arXiv:1706.02677)
    freeze_batch_norm: bool = False  # normalise by the moving statistics, which stay as they are
    seed: int = 2  # the launcher's

    @property
    def global_batch(self) -> int:
        """Count the images of a step of all ranks."""
        return self.batch_size * self.ranks

    @property
    def peak_learning_rate(self) -> float:
        """Return the rate after the warm-up."""
        return self.base_learning_rate * self.global_batch / LEARNING_RATE_BATCH

    def steps_per_epoch(self, images: int) -> int:
        """Count the steps over a training set; what does not fill a batch waits for the next epoch's shuffling.

        A set smaller than one batch is an InputError.
        """
        if images < self.global_batch:
            raise InputError(
                f"The training set has {images} images, less than a global batch of {self.global_batch}: "
                "pass a smaller --batch-size."
            )
        return images // self.global_batch

    def learning_rate(self, step: int, steps_per_epoch: int) -> float:
        """Return the rate of a step, counted from 0."""
        warmup_steps = int(self.warmup_epochs * steps_per_epoch)
        if step < warmup_steps:
            return self.peak_learning_rate * step / warmup_steps
        drops = sum(step >= int(epoch * steps_per_epoch) for epoch in self.drop_epochs)
        return float(self.peak_learning_rate * DROP_FACTOR**drops)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        plain = asdict(self)
        return {
            **plain,
            "precision": str(self.precision),
            "drop_epochs": list(self.drop_epochs),
            "augmentation": self.augmentation.value,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Return what `as_dict` was made of; unknown fields are a TypeError."""
        return cls(
            **{
                **values,
                "architecture": Architecture(**values["architecture"]),
                "precision": Precision(values["precision"]),
                "drop_epochs": tuple(values["drop_epochs"]),
                "augmentation": Augmentation(values["augmentation"]),
            }
        )

    def differences(self, other: Recipe) -> list[str]:
        """Name each field in which `other` differs, with both values."""
        names = (one.name for one in fields(self))
        return [
            f"{name} {getattr(other, name)} instead of {getattr(self, name)}"
            for name in names
            if getattr(self, name) != getattr(other, name)
        ]
