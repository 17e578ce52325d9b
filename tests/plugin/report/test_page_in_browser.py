from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.report.page import render_page
from resnet_fixtures.report.stored_history import read_history
from tests.plugin.report.browser import CHROMIUM, Browser, open_browser
from tests.plugin.report.hostile import write_hostile_history
from tests.plugin.report.told_runs import OTHER_CPU, make_benchmark, make_facts, write_history, write_saved_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium here: install it to look at the page in a browser"
)

SHOWN = ".filter(one => !one.hidden)"
CARDS = f"[...document.querySelectorAll('#trends article')]{SHOWN}.map(one => one.querySelector('h3').textContent)"
ROWS = f"[...document.querySelectorAll('#rows tbody tr')]{SHOWN}.length"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("storage")
    write_history(folder, 20)
    other = make_benchmark("int8", 1, 70.0, np.random.default_rng(1))
    other["extra_info"] |= make_facts(cpu=OTHER_CPU)
    write_saved_run(folder, 20, [other])
    (folder / "report.html").write_text(render_page(read_history(folder, folder)))
    return folder / "report.html"


def choose(browser: Browser, name: str, value: str) -> None:
    browser.evaluate(
        f"{{ const one = document.querySelector('select[name={name}]'); one.value = '{value}';"
        " one.dispatchEvent(new Event('change', {bubbles: true})); }"
    )


def test_figures_are_drawn_without_network_or_complaint(browser: Browser, page: Path) -> None:
    browser.requests.clear()
    browser.complaints.clear()
    browser.open(page)
    browser.evaluate("document.querySelector('#comparisons').scrollIntoView()")
    browser.wait_for("document.querySelectorAll('#comparisons .main-svg').length >= 2")
    assert browser.evaluate("document.querySelectorAll('#trends .scatterlayer .point').length") >= 20
    assert {address for address in browser.requests if not address.startswith(("data:", "blob:"))} == {page.as_uri()}
    assert browser.complaints == []


def test_filters_leave_what_matches(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert len(browser.evaluate(CARDS)) == 7
    choose(browser, "precision", "int8")
    assert browser.evaluate(CARDS) == [
        "test_online_inference[int8-bs1]", "test_batch_inference[int8-bs128]", "test_online_inference[int8-bs1]",
    ]  # fmt: skip
    choose(browser, "batch", "128")
    assert browser.evaluate(CARDS) == ["test_batch_inference[int8-bs128]"]
    assert browser.evaluate(ROWS) == 20
    choose(browser, "machine", "1")
    assert browser.evaluate(CARDS) == []


def test_rows_beyond_the_first_are_shown_when_asked_for(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.evaluate(ROWS) == 50
    assert browser.evaluate("document.getElementById('more').textContent") == "Show all 121 results"
    browser.evaluate("document.getElementById('more').click()")
    assert browser.evaluate(ROWS) == 121


def test_run_opens_and_closes(browser: Browser, page: Path) -> None:
    browser.open(page, "#run-3")
    visible = "getComputedStyle(document.getElementById('run-3')).display"
    assert browser.evaluate(visible) == "block"
    browser.evaluate("document.querySelector('#run-3 .close').click()")
    browser.wait_for(f"{visible} === 'none'")


def test_colours_follow_the_system(browser: Browser, page: Path) -> None:
    papers = []
    for dark in (False, True):
        browser.open(page, dark=dark)
        papers.append(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert papers == ["rgb(255, 255, 255)", "rgb(20, 23, 27)"]
    assert browser.evaluate("document.querySelector('#trends .xtick text').style.fill") == "rgb(154, 164, 176)"


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width=width)
    browser.evaluate("document.getElementById('trends').scrollIntoView()")
    browser.wait_for("document.querySelectorAll('#trends .main-svg').length >= 2")
    assert browser.evaluate("document.documentElement.scrollWidth") == width


def test_screenshot_shows_figures(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.open(page)
    browser.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_hostile_text_does_nothing(browser: Browser, tmp_path: Path) -> None:
    write_hostile_history(tmp_path)
    page = tmp_path / "report.html"
    page.write_text(render_page(read_history(tmp_path, tmp_path)))
    browser.complaints.clear()
    browser.open(page)
    for place in ("trends", "comparisons", "accuracy"):
        browser.evaluate(f"document.getElementById('{place}')?.scrollIntoView()")
        browser.wait_for(f"document.querySelector('#{place} .main-svg') || !document.getElementById('{place}')")
    assert browser.evaluate("document.title") == "ResNet-50 v1.5: speed and accuracy"
    assert browser.evaluate("document.querySelectorAll('img').length") == 0
    assert browser.complaints == []
