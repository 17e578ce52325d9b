"""Parse the values of options; what is wrong with one is an ArgumentTypeError that says what to write instead."""

from __future__ import annotations

import argparse
from typing import Literal

MAX_EPOCHS = 1_000_000  # ImageNet's training has 90; the steps of far more than these are no number any more
CEILING = 1 << 63  # of whole numbers: what is not below it fits into no int64, and with 309 digits into no float


def parse_batch_sizes(text: str) -> tuple[int, ...]:
    """Parse `1,32,128`, each once."""
    return tuple(dict.fromkeys(parse_positive(part) for part in text.split(",")))


def parse_positive(text: str) -> int:
    """Parse a whole number from 1, below CEILING."""
    number = parse_count(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive; pass a whole number from 1")
    return number


def parse_count(text: str) -> int:
    """Parse a whole number from 0, below CEILING."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number; pass one such as 4") from None
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative; pass a whole number from 0, or leave the option out")
    if number >= CEILING:
        raise argparse.ArgumentTypeError(
            f"a number of {len(str(number))} digits is too large; pass a whole number below {CEILING}"
        )
    return number


def parse_seconds(text: str) -> float:
    """Parse a positive, finite number of seconds."""
    seconds = _parse_float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no positive number of seconds; pass one such as 60")
    return seconds


def parse_fraction(text: str) -> float:
    """Parse a fraction from 0 to below 1."""
    fraction = _parse_float(text)
    if not 0 <= fraction < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1; pass a fraction such as 0.0005")
    return fraction


def parse_number(text: str) -> float:
    """Parse a finite number from 0."""
    number = _parse_float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0; pass one such as 0.1")
    return number


def parse_epochs(text: str) -> float:
    """Parse a number of epochs from 0 to MAX_EPOCHS, not always a whole one."""
    epochs = parse_number(text)
    _refuse_too_many_epochs(text, epochs)
    return epochs


def parse_whole_epochs(text: str) -> int:
    """Parse a whole number of epochs from 1 to MAX_EPOCHS."""
    epochs = parse_positive(text)
    _refuse_too_many_epochs(text, epochs)
    return epochs


def parse_rising_epochs(text: str) -> tuple[float, ...]:
    """Parse `30,60,80` of rising epochs up to MAX_EPOCHS; an empty text is no epoch at all."""
    epochs = tuple(parse_epochs(part) for part in text.split(",")) if text else ()
    if list(epochs) != sorted(set(epochs)):
        raise argparse.ArgumentTypeError(f"{text} does not rise; pass numbers such as 30,60,80")
    return epochs


def parse_names(text: str) -> tuple[str, ...]:
    """Parse `a,b`, each once."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty or a double name; pass names such as a,b")
    return names


def parse_cpu_dma_latency(text: str) -> int | Literal["system"]:
    """Parse a whole number of microseconds from 0, or `system`."""
    return "system" if text == "system" else parse_count(text)


def parse_cores_per_instance(text: str) -> int | Literal["socket"]:
    """Parse a number of cores, or `socket`."""
    if text == "socket":
        return "socket"
    try:
        return parse_positive(text)
    except argparse.ArgumentTypeError:
        message = f"{text!r} is no number of cores; pass a whole number from 1, or socket"
        raise argparse.ArgumentTypeError(message) from None


def _refuse_too_many_epochs(text: str, epochs: float) -> None:
    if epochs > MAX_EPOCHS:
        raise argparse.ArgumentTypeError(f"{text} is more than {MAX_EPOCHS} epochs; pass at most as many")


def _parse_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
