from __future__ import annotations

from typing import TYPE_CHECKING

from tests.plugin.documentation.blocks import find_blocks
from tests.plugin.documentation.desk import count_passed_runs, count_pytest_runs, without_installation

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
Words with `code`.

```bash
pytest -m int8 && pytest \\
    -m fp32
```

```console
$ pytest
3 passed
$ ls
```

```text
python launch_benchmark.py
```

```python
print(1)
```
"""


def test_blocks_have_line_and_language(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(TEXT)
    blocks = find_blocks(tmp_path / "a.md")
    assert [(block.line, block.language) for block in blocks] == [
        (3, "bash"),
        (8, "console"),
        (14, "text"),
        (18, "python"),
    ]
    assert [block.is_executable for block in blocks] == [True, True, False, True]


def test_script_is_what_a_reader_pastes(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(TEXT)
    bash, console, _, python = find_blocks(tmp_path / "a.md")
    assert bash.script == "pytest -m int8 && pytest \\\n    -m fp32\n"
    assert console.script == "pytest\nls"
    assert python.script == "print(1)\n"


def test_pytest_runs_are_counted() -> None:
    assert count_pytest_runs("pytest a && pytest b\n.venv/bin/pytest\ngrep pytest file\npytest-benchmark x") == 4
    assert count_pytest_runs("pytest a && pytest b\n.venv/bin/pytest\ngrep pytest file\n") == 3


def test_passed_runs_are_counted_in_the_summaries() -> None:
    lines = ("== 1 passed, 2 skipped in 1.15s ==", "== 1 failed, 2 passed in 3.00s ==", "== 2 skipped in 1.00s ==")
    assert count_passed_runs("\n".join(lines)) == 1
    assert count_passed_runs("== 3 passed in 117.54s (0:01:57) ==\n= 1 passed, 1 error in 2.00s =") == 1


def test_installation_is_left_out() -> None:
    installed = "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/pytest -m int8"
    assert without_installation(installed) == ".venv/bin/pytest -m int8"
    assert without_installation("pytest a && pytest b") == "pytest a && pytest b"
