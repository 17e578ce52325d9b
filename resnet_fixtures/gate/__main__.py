"""Judge one stored run against another: `python -m resnet_fixtures.gate --baseline A --run B`.

Each is a file of --gate, --gate-update or --benchmark-json, or a storage folder of pytest-benchmark. The exit status is
0 where all is green, 1 where it is not, and 4 for what cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.baseline import read_baseline, read_judged
from resnet_fixtures.gate.json_file import read_json
from resnet_fixtures.gate.judge import Rules, are_green, judge_runs
from resnet_fixtures.gate.run_file import is_run, read_unmeasured
from resnet_fixtures.gate.tolerance import collect_tolerances, parse_metric_tolerance
from resnet_fixtures.gate.verdict import Verdict, count_verdicts
from resnet_fixtures.paths import parse_path
from resnet_fixtures.refusing_parser import RefusingParser

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from resnet_fixtures.gate.verdict import Judgement

NOT_GREEN = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge what the command line names, print a line for each test and their count, and return the exit status."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        judgements = judge_files(options.baseline, options.run, Rules(collect_tolerances(options.tolerance)))
    except argparse.ArgumentTypeError as error:
        parser.error(f"argument --tolerance: {error}")
    except InputError as error:
        parser.error(str(error))
    parser.answer("\n".join((*map(str, judgements), summarize(judgements))))
    is_green = are_green(judgements, inconclusive_fails=options.inconclusive == "fail")
    return 0 if is_green else NOT_GREEN


def judge_files(baseline: Path, run: Path, rules: Rules) -> list[Judgement]:
    """Read both and judge them; what was left out of pytest-benchmark's histories is said on standard error."""
    entries = read_baseline(baseline, _warn, run), read_judged(run, _warn)
    judgements = judge_runs(*entries, rules, str(baseline))
    judged = {judgement.test for judgement in judgements}
    return judgements + [one for one in read_new_tests(run) if one.test not in judged]


def read_new_tests(run: Path) -> list[Judgement]:
    """Return the verdicts on tests that a run of --gate did not measure because they had no baseline."""
    if run.is_dir() or not is_run(read_json(run)):
        return []
    return [one for one in read_unmeasured(run) if one.verdict is Verdict.NO_BASELINE]


def summarize(judgements: Sequence[Judgement]) -> str:
    """Count the tests and their verdicts."""
    tests = "1 test" if len(judgements) == 1 else f"{len(judgements)} tests"
    return f"{tests}: {count_verdicts(judgements) or 'nothing was judged'}"


def make_parser() -> RefusingParser:
    """Describe the command line."""
    parser = RefusingParser(
        prog="python -m resnet_fixtures.gate", description="Judge a stored run against a stored baseline."
    )
    stored = "a file of --gate, --gate-update or --benchmark-json, or pytest-benchmark's storage folder"
    parser.add_argument("--baseline", type=parse_path, required=True, help=stored)
    parser.add_argument("--run", type=parse_path, required=True, help="what is judged: the like")
    parser.add_argument(
        "--tolerance", type=parse_metric_tolerance, action="append", default=[], metavar="METRIC=AMOUNT",
        help="what a metric may lose, such as latency_s=2%% or accuracy='0.1 points' (repeatable)",
    )  # fmt: skip
    parser.add_argument(
        "--inconclusive", choices=["fail", "pass"], default="fail", help="the exit status of INCONCLUSIVE (%(default)s)"
    )
    return parser


def _warn(note: str) -> None:
    print(note, file=sys.stderr)  # noqa: T201 - a command's output


if __name__ == "__main__":
    sys.exit(main())
