from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.report.markdown import escape_cell, render_markdown
from resnet_fixtures.report.stored_history import read_history
from tests.plugin.report.hostile import write_hostile_history
from tests.plugin.report.told_runs import write_gate_run, write_history, write_score, write_training

if TYPE_CHECKING:
    from pathlib import Path


def test_tables_have_what_is_newest(tmp_path: Path) -> None:
    write_history(tmp_path, 40, sizes=(128,))
    write_gate_run(tmp_path / "gate_1.json", 40)
    write_score(tmp_path, "int8", 38_110)
    write_training(tmp_path)
    text = render_markdown(read_history(tmp_path, tmp_path))
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("###")] == [
        "### Speed", "### The gate's verdicts", "### Accuracy", "### Trainings to a target",
    ]  # fmt: skip
    assert lines[2] == "AMD EPYC 9R14 96-Core Processor, avx512_vnni_bf16, 2 CPUs; dummy images, intra 2, inter 1"
    assert lines[4] == "| test | images/s, 95 % interval | median, ms | last change of level | runs |"
    assert lines[6].startswith("| test_batch_inference&#91;int8-bs128&#93; | ")
    assert "since 2026-03-23 02:17: tensorflow 2.20.0 → 2.21.0 | 41 |" in lines[6]
    assert "| imagenet | int8 | 0.7622 | 0.7623 | " in text
    assert "| digits | bf16 | 0.9810 | 0.96 reached | 61.50 |" in text


def test_parts_without_a_row_are_left_out(tmp_path: Path) -> None:
    write_score(tmp_path, "fp32", 350, 360, "digits")
    text = render_markdown(read_history(tmp_path, tmp_path))
    assert text.startswith("### Accuracy\n\n| data |")
    assert "| digits | fp32 | 0.9722 | none |" in text


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("a|b", "a&#124;b"),
        ("a\n| x |", "a &#124; x &#124;"),
        ("<img src=x>", "&#60;img src=x&#62;"),
        ("[a](http://x)", "&#91;a&#93;(http&#58;//x)"),
        ("@somebody", "&#64;somebody"),
        ("bs_1 _a_ `x`", "bs_1 &#95;a&#95; &#96;x&#96;"),
        ("&lt;", "&#38;lt;"),
        ("\\|", "&#92;&#124;"),
    ],
)
def test_text_means_itself(text: str, cell: str) -> None:
    assert escape_cell(text) == cell


def test_long_text_is_cut() -> None:
    assert len(escape_cell("a" * 10_000)) == 401


def test_hostile_text_breaks_no_row(tmp_path: Path) -> None:
    write_hostile_history(tmp_path)
    text = render_markdown(read_history(tmp_path, tmp_path))
    assert "<script" not in text
    assert "<img" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} <= {7, 5, 6}
