"""Take typed fields out of JSON that somebody else may have written; a fault is one sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NoReturn, TypeGuard

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.benchmark_file import parse_time
from resnet_fixtures.gate.json_file import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CURE = "move it out of the folder, or name another one"


def read_object(path: Path) -> Fields:
    """Read a file that holds one JSON object; InputError for one that is too large, truncated or something else."""
    loaded = read_json(path)
    if not isinstance(loaded, dict):
        raise InputError(f"{path} holds no JSON object, so it is no stored run: {CURE}.")
    return Fields(str(path), loaded)


@dataclass(frozen=True)
class Fields:
    """A JSON object with the place that errors name. What is there and has another type is an InputError."""

    where: str
    values: Mapping[str, object]

    def has(self, *names: str) -> bool:
        """Tell whether all of these fields have a value."""
        return all(self.values.get(name) is not None for name in names)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text; one that is absent is the default."""
        value = self.values.get(name, default)
        return (
            value if isinstance(value, str) else self._refuse(name, value if value is not None else default, "a text")
        )

    def number(self, name: str, default: float | None = None) -> float:
        """Return a finite number above 0."""
        value = self.values.get(name, default)
        return float(value) if is_number(value) and value > 0 else self._refuse(name, value, "a number above 0")

    def count(self, name: str, default: int | None = None) -> int:
        """Return a whole number from 0."""
        value = self.values.get(name, default)
        return (
            int(value)
            if is_number(value) and value >= 0 and value == int(value)
            else self._refuse(name, value, "a count")
        )

    def share(self, name: str) -> float:
        """Return a number from 0 to 1."""
        value = self.values.get(name)
        return (
            float(value) if is_number(value) and 0 <= value <= 1 else self._refuse(name, value, "a share from 0 to 1")
        )

    def numbers(self, name: str) -> tuple[float, ...]:
        """Return a list of finite numbers, empty where it is absent."""
        values = self.values.get(name) or ()
        if not isinstance(values, list | tuple) or not all(map(is_number, values)):
            self._refuse(name, values, "a list of numbers")
        return tuple(map(float, values))

    def pair(self, name: str) -> tuple[float, float] | None:
        """Return an interval [low, high], None where it is absent."""
        values = self.numbers(name)
        if not values:
            return None
        return (values[0], values[1]) if len(values) == 2 else self._refuse(name, values, "a low and a high end")

    def nested(self, name: str) -> Fields:
        """Return a nested object, an empty one where it is absent."""
        value = self.values.get(name) or {}
        return Fields(
            f"{self.where}: {name}", value if isinstance(value, dict) else self._refuse(name, value, "an object")
        )

    def objects(self, name: str) -> Sequence[Fields]:
        """Return a list of objects, empty where it is absent."""
        values = self.values.get(name) or []
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            self._refuse(name, values, "a list of objects")
        return [Fields(f"{self.where}: {name}", value) for value in values]

    def time(self, name: str) -> datetime:
        """Return an ISO time in UTC; one without a zone is taken as UTC, which is what pytest-benchmark means."""
        text = self.text(name)
        try:
            return parse_time(text).astimezone(timezone.utc)
        except (ValueError, OverflowError):
            return self._refuse(name, text, "an ISO time")

    def _refuse(self, name: str, value: object, kind: str) -> NoReturn:
        found = "absent" if value is None else f"{str(value)[:40]!r}"
        raise InputError(f"{self.where}: {name} is {found}, where {kind} is needed: {CURE}.")


def is_number(value: object) -> TypeGuard[float]:
    """Tell a finite number; true and false are none."""
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300 and math.isfinite(value)
    )
