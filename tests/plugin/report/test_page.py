from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.report.page import digest, embed_plotly, render_page
from resnet_fixtures.report.stored_history import read_history
from tests.plugin.report.hostile import ATTACK, write_hostile_history
from tests.plugin.report.told_runs import write_gate_run, write_history, write_score, write_training

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 4, 1, tzinfo=timezone.utc)
LOADING = {"src", "srcset", "href", "action", "data", "poster", "background", "xlink:href"}


class Outline(HTMLParser):
    """Collects elements, ids, addresses and the visible text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, attribute: str) -> list[str]:
        return [attributes[attribute] for _, attributes in self.elements if attribute in attributes]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("storage")
    write_history(folder, 30)
    write_gate_run(folder / "gate_1.json", 30)
    write_score(folder, "int8", 38_110)
    write_training(folder)
    return render_page(read_history(folder, folder), NOW)


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("hostile")
    write_hostile_history(folder)
    return render_page(read_history(folder, folder), NOW)


def test_page_has_every_part(page: str) -> None:
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings[:8] == [
        "Newest",
        "Trends",
        "Precisions and batch sizes",
        "Accuracy",
        "Trainings to a target",
        "The gate's verdicts",
        "Machines",
        "Results",
    ]


def test_page_loads_nothing(page: str) -> None:
    addresses = [
        value for _, attributes in Outline(page).elements for name, value in attributes.items() if name in LOADING
    ]
    assert addresses
    assert [address for address in addresses if not address.startswith("#")] == []
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    assert not re.search(r"url\(|@import", style[1])


def test_only_the_pages_own_scripts_may_run(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    scripts = re.findall(r'<script(?: type="text/plain" id="plotly")?>(.*?)</script>', page, re.DOTALL)
    assert len(scripts) == 2
    assert all(f"'{digest(script)}'" in policy[1] for script in scripts)
    assert "unsafe-eval" not in policy[1]
    assert "script-src 'unsafe-inline'" not in policy[1]


def test_every_link_has_its_target(page: str) -> None:
    outline = Outline(page)
    targets = {address.removeprefix("#") for address in outline.all("href")}
    assert {"run-1", "run-31"} <= targets
    assert targets - set(outline.all("id")) == set()


def test_figures_are_there_for_what_shows_them(page: str) -> None:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    assert set(json.loads(found[1])) == set(Outline(page).all("data-figure"))


def test_results_name_run_and_values(page: str) -> None:
    rows = re.findall(r"<tr data-machine[^>]*>(<td><a href=\"#run-\d+\">.*?)</tr>", page)
    assert len(rows) == 30 * 6 + 1
    assert rows[0].startswith('<td><a href="#run-31">run 31</a></td><td>2026-03-31 03:17</td>')


def test_filters_offer_what_there_is(page: str) -> None:
    outline = Outline(page)
    assert outline.all("name").count("precision") == 1
    assert "machine" not in outline.all("name")  # there is only one
    values = [attributes["value"] for tag, attributes in outline.elements if tag == "option"]
    assert values == ["", "int8", "bf16", "fp32", "", "1", "128"]


def test_hostile_text_is_text(hostile_page: str) -> None:
    outline = Outline(hostile_page)
    tags = [tag for tag, _ in outline.elements]
    assert (tags.count("script"), tags.count("img")) == (3, 0)
    assert not [name for _, attributes in outline.elements for name in attributes if name.startswith("on")]
    assert "<b>digits</b>" in "".join(outline.text)
    assert "document.title='taken'" in "".join(outline.text)
    assert ATTACK in outline.all("data-precision")


def test_history_without_timings_has_a_page(tmp_path: Path) -> None:
    write_score(tmp_path, "int8", 38_110)
    page = render_page(read_history(tmp_path / "none", tmp_path), NOW)
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["Accuracy"]


def test_plotly_is_taken_out_of_its_wrapper() -> None:
    bundle = '"use strict";var Plotly=(()=>{return 1})();\n/*! MIT */\n'
    begin, end = "(function(a, f) {} (this, () => {\n", "window.Plotly = Plotly;\nreturn Plotly;\n}));"
    whole = f"/* plotly.js, MIT */\n{begin}{bundle}{end}"
    assert embed_plotly(whole) == f"/* plotly.js, MIT */\n{bundle}"


def test_plotly_of_another_form_stays_whole_and_ends_no_element() -> None:
    assert embed_plotly("/* MIT */ f('</script><!--')") == r"/* MIT */ f('<\/script><\!--')"
