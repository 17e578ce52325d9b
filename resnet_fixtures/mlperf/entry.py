"""Say what an entry of MLPerf's log is: plain JSON, with what this package reads from it again."""

from __future__ import annotations

from typing import Any, TypeAlias

Entry: TypeAlias = dict[str, Any]

POINT, START, END = "POINT_IN_TIME", "INTERVAL_START", "INTERVAL_END"
SUCCESS, ABORTED = "success", "aborted"
LATEST_MS = 1 << 62  # a time beyond that only pretends


def check_entry(entry: object) -> Entry:
    """Return what came from a file, if it is an entry; else a ValueError that names what is wrong."""
    if not isinstance(entry, dict) or not isinstance(entry.get("metadata"), dict):
        raise ValueError("an entry of MLPerf's log without metadata")
    key, time_ms = entry.get("key"), entry.get("time_ms")
    if not isinstance(key, str) or entry.get("event_type") not in (POINT, START, END) or "value" not in entry:
        raise ValueError(f"an entry of MLPerf's log of no key, kind or value: {key!r}")
    if type(time_ms) is not int or not 0 <= time_ms < LATEST_MS:
        raise ValueError(f"{key} of MLPerf's log at no time")
    if not _is_readable(key, entry["value"], entry["metadata"]):
        raise ValueError(f"{key} of MLPerf's log does not say what it should")
    return entry


def _is_readable(key: str, value: object, metadata: dict[str, Any]) -> bool:
    """Tell whether the keys that are read again say what is read."""
    if key == "eval_accuracy":
        return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    if key in ("block_start", "block_stop"):
        return type(metadata.get("first_epoch_num")) is int
    if key == "run_stop":
        return metadata.get("status") in (SUCCESS, ABORTED)
    return True
