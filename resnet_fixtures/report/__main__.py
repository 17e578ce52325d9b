"""Make the page, or the Markdown tables, of what is stored: `python -m resnet_fixtures.report --out report.html`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.atomic_file import write_atomically
from resnet_fixtures.errors import InputError
from resnet_fixtures.paths import find_storage_folder, parse_path
from resnet_fixtures.refusing_parser import RefusingParser
from resnet_fixtures.report.markdown import render_markdown
from resnet_fixtures.report.page import render_page
from resnet_fixtures.report.stored_history import read_history

if TYPE_CHECKING:
    from collections.abc import Sequence

RENDERERS = {"html": render_page, "markdown": render_markdown}


def make_report(storage: str, results: Path, form: str, out: Path | None) -> str:
    """Write the report and say so, or return its text where there is no `out`; raises only InputErrors."""
    history = read_history(find_folder(storage), results)
    text = RENDERERS[form](history)
    if out is None:
        return text.rstrip("\n")
    write_atomically(out, text.encode(errors="replace"))
    counts = (len(list(history.numbered())), len(history.scores), len(history.trainings))
    return f"{out}: {counts[0]} runs, {counts[1]} accuracy runs and {counts[2]} trainings to a target"


def parse_storage(text: str) -> str:
    """Parse the place of --storage; an empty one is an ArgumentTypeError."""
    parse_path(text)
    return text


def find_folder(storage: str) -> Path:
    """Find the folder of --storage, written as pytest-benchmark's; InputError for a storage without one."""
    folder = find_storage_folder(storage)
    if folder is None:
        raise InputError(f"--storage {storage} is no folder: download the runs, and pass the folder that they are in.")
    return folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the report that the command line asks for; exit status 4 and one sentence for what cannot be used."""
    parser = _make_parser()
    options = parser.parse_args(arguments)
    if options.format == "html" and options.out is None:
        parser.error("the page needs a file: pass --out report.html.")
    try:
        done = make_report(options.storage, options.results, options.format, options.out)
    except InputError as error:
        parser.error(str(error))
    parser.answer(done)
    return 0


def _make_parser() -> RefusingParser:
    parser = RefusingParser(
        prog="python -m resnet_fixtures.report", description="Show what is stored: trends, comparisons and accuracy."
    )
    parser.add_argument(
        "--storage", type=parse_storage, default=".benchmarks",
        help="pytest-benchmark's storage (default: .benchmarks)",
    )  # fmt: skip
    parser.add_argument(
        "--results", type=parse_path, default=Path("results"), help="--output-dir of the runs (default: results)"
    )
    parser.add_argument("--format", choices=sorted(RENDERERS), default="html", help="html (the default) or markdown")
    parser.add_argument("--out", type=parse_path, help="where to write it; Markdown goes to standard output without it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
