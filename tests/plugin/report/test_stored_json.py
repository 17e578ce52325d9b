from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.report.stored_json import Fields, read_object

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = Fields(
    "run.json",
    {"name": "int8", "speed": 81.5, "steps": 50.0, "ends": [1, 2], "none": None, "yes": True, "facts": {"a": 1}},
)


def test_fields_of_the_right_type_are_returned() -> None:
    assert (FIELDS.text("name"), FIELDS.number("speed"), FIELDS.count("steps")) == ("int8", 81.5, 50)
    assert FIELDS.pair("ends") == (1.0, 2.0)
    assert FIELDS.nested("facts").count("a") == 1


def test_absent_fields_have_defaults() -> None:
    assert (FIELDS.text("x", ""), FIELDS.number("x", 2.0), FIELDS.count("x", 3)) == ("", 2.0, 3)
    assert (FIELDS.numbers("x"), FIELDS.pair("none"), FIELDS.objects("x")) == ((), None, [])
    assert FIELDS.nested("none").values == {}
    assert FIELDS.has("name", "speed")
    assert not FIELDS.has("name", "none")


@pytest.mark.parametrize(
    ("method", "value", "wanted"),
    [
        ("text", 3, "'3', where a text"),
        ("text", None, "absent, where a text"),
        ("number", "fast", "'fast', where a number above 0"),
        ("number", True, "'True', where a number above 0"),
        ("number", -1, "'-1', where a number above 0"),
        ("number", 10**400, "where a number above 0"),
        ("count", 1.5, "'1.5', where a count"),
        ("share", 1.5, "where a share from 0 to 1"),
        ("numbers", [1, "a"], "where a list of numbers"),
        ("numbers", 7, "where a list of numbers"),
        ("pair", [1, 2, 3], "where a low and a high end"),
        ("nested", [1], "where an object"),
        ("objects", [1], "where a list of objects"),
        ("time", "yesterday", "'yesterday', where an ISO time"),
    ],
)
def test_other_types_are_refused_with_place_and_cure(method: str, value: object, wanted: str) -> None:
    with pytest.raises(InputError, match=rf"run\.json: it is .*{wanted}.* is needed: move it out of the folder"):
        getattr(Fields("run.json", {"it": value}), method)("it")


@pytest.mark.parametrize("text", ["2026-03-01T02:17:00+00:00", "2026-03-01T02:17:00", "2026-03-01T03:17:00+01:00"])
def test_times_are_in_utc(text: str) -> None:
    assert Fields("", {"t": text}).time("t") == datetime(2026, 3, 1, 2, 17, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "is damaged"), ('{"a": ', "is damaged"), ("[1]", "holds no JSON object"), ("[" * 100_000, "is damaged")],
)
def test_file_that_is_no_object_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(InputError, match=rf"run\.json {reason}"):
        read_object(tmp_path / "run.json")
