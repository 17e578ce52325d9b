"""Tell the images of one training from those of another by the digests of their splits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resnet_fixtures.data.split import Split

DUMMY = "dummy"  # in the place of the digest of a train split


@dataclass(frozen=True)
class DataDigests:
    """What a training learns from, DUMMY without a data set, and what it is scored on, None where nothing scores it."""

    train: str = DUMMY
    validation: str | None = None

    @classmethod
    def of(cls, train: Split | None, validation: Split | None) -> DataDigests:
        """Return the digests of two splits."""
        return cls(train.digest() if train else DUMMY, validation.digest() if validation else None)

    def as_fields(self) -> dict[str, str]:
        """Return the digests that there are by the names of the result's fields; dummies have none."""
        named = {"train_digest": self.train, "validation_digest": self.validation}
        return {name: digest for name, digest in named.items() if digest not in (None, DUMMY)}

    def differences(self, other: DataDigests) -> list[str]:
        """Name each set that is another in `other`, with the beginnings of both digests; no score differs from none."""
        pairs = [("training", self.train, other.train)]
        if self.validation and other.validation:
            pairs.append(("validation", self.validation, other.validation))
        return [f"{name} data {there[:12]} instead of {here[:12]}" for name, here, there in pairs if here != there]
