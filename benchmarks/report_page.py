"""Build the report's page of many stored runs, and open it in headless chromium.

    python -m benchmarks.report_page [--runs 500] [--opens 5] [--screenshots docs]

The runs are made up: six tests with 50 raw steps each, one run a night. Opening is the time from the navigation to the
drawn figures in the window, as the page's own clock has it; the first one finds a browser that has just started.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.gate.verdict import Verdict
from tests.plugin.report.browser import CHROMIUM, open_browser
from tests.plugin.report.told_runs import write_gate_run, write_history, write_score, write_training

if TYPE_CHECKING:
    from tests.plugin.report.browser import Browser

SHOWN_RUNS = 60
VERDICTS = {55: Verdict.REGRESSED, 57: Verdict.INCONCLUSIVE}


def main() -> None:
    """Print the times, or make the screenshots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--opens", type=int, default=5, help="in each of two browsers, at least 2")
    parser.add_argument("--screenshots", type=Path, help="make the docs' pictures in this folder instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:  # a browser that ends may still write
        folder = Path(name)
        if options.screenshots:
            take_screenshots(folder, options.screenshots)
        else:
            measure(folder, options.runs, options.opens)


def measure(folder: Path, runs: int, opens: int) -> None:
    """Time the command, then the browser."""
    write_history(folder / "storage", runs)
    begin_s = time.perf_counter()
    page = build(folder)
    print(f"{runs} runs: built in {time.perf_counter() - begin_s:.1f} s, {page.stat().st_size / 2**20:.1f} MiB")
    if CHROMIUM is None:
        print("no chromium here, so the page is not opened")
        return
    for name in ("a browser that has just started", "another"):
        (folder / name).mkdir()
        with open_browser(folder / name) as browser:
            times_s = [time_opening(browser, page) for _ in range(opens)]
        again_s = tuple(map(statistics.median, zip(*times_s[1:], strict=True)))
        print(f"{name}: {describe(times_s[0])}; again: {describe(again_s)}")


def describe(times_s: tuple[float, ...]) -> str:
    """Say when the page was there, and when its figures were."""
    return f"text after {times_s[0]:.2f} s, loaded after {times_s[1]:.2f} s, figures after {times_s[2]:.2f} s"


def build(folder: Path) -> Path:
    """Run the command as its user does."""
    page = folder / "report.html"
    places = ["--storage", str(folder / "storage"), "--results", str(folder / "results"), "--out", str(page)]
    subprocess.run([sys.executable, "-m", "resnet_fixtures.report", *places], check=True)
    return page


def time_opening(browser: Browser, page: Path) -> tuple[float, ...]:
    """Return the seconds until the first text was painted, the page was loaded, and the figures in view were drawn."""
    browser.open(page)
    times_ms = browser.evaluate(
        "[performance.getEntriesByName('first-contentful-paint')[0].startTime,"
        " performance.getEntriesByType('navigation')[0].loadEventEnd,"
        " Number(document.documentElement.dataset.drawnMs)]"
    )
    return tuple(time_ms / 1e3 for time_ms in times_ms)


def take_screenshots(folder: Path, place: Path) -> None:
    """Make the docs' pictures of runs that are made up."""
    write_history(folder / "storage", SHOWN_RUNS, sizes=(1, 16, 128))
    for precision, correct in {"int8": 38_110, "fp32": 38_250, "bf16": 38_371}.items():
        write_score(folder / "results", precision, correct)
    write_training(folder / "results")
    for night in range(SHOWN_RUNS, SHOWN_RUNS + 12):
        path = folder / "results" / f"gate_{night}.json"
        write_gate_run(path, night, VERDICTS.get(night - 9, Verdict.PASS))
    page = build(folder)
    with open_browser(folder) as browser:
        browser.open(page, "#trend-2-card", height=860)
        shoot(browser, place / "report-light.png")
        browser.open(page, "#comparisons", height=860, dark=True)
        shoot(browser, place / "report-dark.png")
        browser.open(page, "#trend-2-card", width=390, height=780)
        shoot(browser, place / "report-phone.png")


def shoot(browser: Browser, path: Path) -> None:
    """Save a picture once all figures near the window are drawn."""
    time.sleep(1.5)
    browser.screenshot(path)
    print(path)


if __name__ == "__main__":
    main()
