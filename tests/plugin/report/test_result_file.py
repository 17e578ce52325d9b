from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.report.result_file import write_result

if TYPE_CHECKING:
    from pathlib import Path

CREATED = datetime(2026, 11, 23, 15, 4, 5, tzinfo=timezone.utc)


def test_result_stands_beside_the_log_and_reads_back(tmp_path: Path) -> None:
    path = write_result(tmp_path / "benchmark_1.log", {"top1": 0.5, "data": "digits"}, CREATED)
    assert path == tmp_path / "benchmark_1.json"
    assert json.loads(path.read_text()) == {"created": "2026-11-23T15:04:05+00:00", "top1": 0.5, "data": "digits"}
    assert list(tmp_path.iterdir()) == [path]


def test_result_is_of_now_and_says_its_zone(tmp_path: Path) -> None:
    before = datetime.now(timezone.utc)
    created = datetime.fromisoformat(json.loads(write_result(tmp_path / "a.log", {}).read_text())["created"])
    assert before <= created <= datetime.now(timezone.utc)


def test_value_that_json_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_result(tmp_path / "a.log", {"top1": float("nan")})
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_written_is_the_user_s_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"a\.json cannot be written"):
        write_result(tmp_path / "file" / "a.log", {"top1": 0.5})
