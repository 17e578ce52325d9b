"""What a training run is asked to do: the recipe, and all that does not change the weights."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from resnet_fixtures.training.recipe import Recipe


@dataclass(frozen=True)
class Order:
    """One run, the same for all its ranks; None leaves something out.

    Without a `data_location` the images are dummies. `train_steps` ends the run after so many steps in all, without an
    evaluation; else it runs `train_epochs`, scores the validation split every `epochs_between_evals` and after the
    last, and stops when top-1 reaches `stop_threshold`. `max_time_s` may cut `train_steps`, never below `min_steps`.
    `threads` is a rank's intra-op pool, `data_threads` its input pipeline's.
    """

    recipe: Recipe
    threads: int
    data_threads: int
    data_location: Path | None = None
    train_steps: int | None = None
    train_epochs: int = 90
    epochs_between_evals: int = 1
    stop_threshold: float | None = None
    max_time_s: float | None = None
    min_steps: int = 1
    checkpoint: Path | None = None
    tensorboard: Path | None = None

    @property
    def is_scored(self) -> bool:
        """Tell whether the validation split is scored: by a run of epochs, on data."""
        return self.data_location is not None and self.train_steps is None

    def to_json(self) -> str:
        """Write the order on one line."""
        return json.dumps({**asdict(self), "recipe": self.recipe.as_dict()}, default=str)

    @classmethod
    def from_json(cls, text: str) -> Order:
        """Read what `to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        paths = {
            name: Path(fields[name]) if fields[name] else None
            for name in ("data_location", "checkpoint", "tensorboard")
        }
        return cls(**{**fields, **paths, "recipe": Recipe.from_dict(fields["recipe"])})
