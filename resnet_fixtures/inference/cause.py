"""Find the cause in TensorFlow's long reports of an error at run time."""

from __future__ import annotations

import re

MAX_CAUSE = 300  # characters


def find_cause(message: str) -> str:
    """Take the first sentence of TensorFlow's own words out of its report, which names the node first."""
    lines = [line.strip() for line in message.splitlines() if line.strip()] or ["no reason given"]
    after_node = next((number for number, line in enumerate(lines, start=1) if line.startswith("Node:")), 0)
    cause = lines[min(after_node, len(lines) - 1)].partition(". ")[0]
    return re.sub(r"[^ -~]", "?", cause)[:MAX_CAUSE]
