"""Put the history on one page that needs no network: plotly and all values are in it."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timezone
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Any

from resnet_fixtures.report.extra import needs_report_extra
from resnet_fixtures.report.figures import (
    draw_batch_sizes,
    draw_latencies,
    draw_precisions,
    draw_scores,
    draw_trend,
    group_by_machine,
    published_top1,
)
from resnet_fixtures.report.stored_runs import SHOWN_FACTS
from resnet_fixtures.report.wording import say_change, say_interval, say_number, say_setting, say_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet_fixtures.report.figures import Figure
    from resnet_fixtures.report.history import History, Judged, Result, Run, Series

VERDICT_CLASSES = {"PASS": "good", "IMPROVED": "good", "REGRESSED": "bad", "INCOMPATIBLE": "bad"}
STYLE, SCRIPT = "page.css", "page.js"
FILTERS = {
    "number": say_number, "change": say_change, "interval": say_interval, "time": say_time, "setting": say_setting,
    "verdict": lambda verdict: VERDICT_CLASSES.get(verdict, "doubt"),
}  # fmt: skip
SHOWN_ROWS = 50  # of the table of results, until more are asked for
SHOWN_VERDICTS = 30


def render_page(history: History, now: datetime | None = None) -> str:
    """Return the page as HTML; InputError where jinja2, plotly or ruptures is missing."""
    with needs_report_extra():
        from jinja2 import Environment, PackageLoader, StrictUndefined
        from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("resnet_fixtures.report", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(FILTERS, all_facts=all_facts, shared_facts=shared_facts)
    folder = resources.files("resnet_fixtures.report")
    style, script = (folder.joinpath(name).read_text("utf-8") for name in (STYLE, SCRIPT))
    plotly = embed_plotly(get_plotlyjs())
    template = environment.get_template("page.html.jinja")
    return template.render(
        **page_content(history),
        made=now or datetime.now(timezone.utc),
        style=style,
        plotly=plotly,
        script=script,
        script_digests=[digest(plotly), digest(script)],
    )


def embed_plotly(text: str) -> str:
    """Return plotly.js so that it can stand in a page: nothing in it ends its element.

    Its bundle is taken out of the function that serves other module systems, where that is found: a browser then reads
    the 4.6 MiB once instead of twice, which is a fifth of the time until the figures are there.
    """
    begin, end = text.find('"use strict";var Plotly=(()=>{'), text.rfind("window.Plotly = Plotly;\nreturn Plotly;")
    licence = text[: text.find("*/") + 2]
    text = f"{licence}\n{text[begin:end]}" if 0 <= begin < end else text
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def page_content(history: History) -> dict[str, Any]:
    """Return what the template shows."""
    figures: dict[str, Figure] = {}
    return {
        "history": history,
        "runs": list(history.numbered()),
        "rows": [
            {"number": number, "run": run, "result": result}
            for number, run in reversed(list(history.numbered()))
            for result in run.results
        ],
        "machines": list(history.machines.items()),
        "machine_numbers": {machine: number for number, machine in enumerate(history.machines)},
        "machine_facts": SHOWN_FACTS,
        "trends": [_trend_card(figures, series, number) for number, series in enumerate(history.series)],
        "comparisons": list(_comparison_cards(figures, history.series)),
        "accuracy": list(_accuracy_cards(figures, history)),
        "verdicts": collect_verdicts(history),
        "choices": collect_choices(history),
        "figures": figures,
        "published_top1": published_top1,
        "shown_rows": SHOWN_ROWS,
    }


def all_facts(result: Result) -> dict[str, str]:
    """Return what is known of machine, libraries and graph of a result."""
    return {**result.facts, **result.versions, **({"graph": result.graph} if result.graph else {})}


def shared_facts(run: Run) -> dict[str, str]:
    """Return the facts that all results of a run have in common."""
    facts = [all_facts(result) for result in run.results]
    return {name: text for name, text in (facts or [{}])[0].items() if all(one.get(name) == text for one in facts)}


def digest(text: str) -> str:
    """Return the digest by which the page's Content-Security-Policy knows its own scripts."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def collect_choices(history: History) -> dict[str, list[tuple[str, str]]]:
    """Return (value, label) of what each filter offers."""
    newest = [series.newest for series in history.series]
    numbers = {machine: str(number) for number, machine in enumerate(history.machines)}
    precisions = dict.fromkeys(result.precision for result in newest)
    sizes = sorted({result.batch_size for result in newest})
    return {
        "machine": [(number, machine.label) for machine, number in numbers.items()],
        "precision": [(precision, precision) for precision in precisions],
        "batch": [(str(size), str(size)) for size in sizes],
    }


def collect_verdicts(history: History) -> dict[str, list[tuple[int, Judged]]]:
    """Return the last verdicts on each test with their runs' numbers, newest last."""
    found: dict[str, list[tuple[int, Judged]]] = {}
    for number, run in history.numbered():
        for judged in run.judged:
            found.setdefault(judged.test, []).append((number, judged))
    return {test: judged[-SHOWN_VERDICTS:] for test, judged in sorted(found.items())}


def _trend_card(figures: dict[str, Figure], series: Series, number: int) -> dict[str, Any]:
    figures[f"trend-{number}"] = draw_trend(series)
    figures[f"steps-{number}"] = draw_latencies(series)
    return {"series": series, "trend": f"trend-{number}", "steps": f"steps-{number}"}


def _comparison_cards(figures: dict[str, Figure], trends: Sequence[Series]) -> Iterator[dict[str, Any]]:
    """Give a card for each kind of machine on which there are two precisions or batch sizes to compare."""
    for machine, group in group_by_machine(trends).items():
        precisions, sizes = ({getattr(series.newest, name) for series in group} for name in ("precision", "batch_size"))
        drawn = [draw_precisions(group)] if len(precisions) > 1 else []
        drawn += [draw_batch_sizes(group)] if len(sizes) > 1 else []
        names = [f"comparison-{len(figures) + number}" for number in range(len(drawn))]
        figures.update(zip(names, drawn, strict=True))
        if names:
            yield {"machine": machine, "figures": names}


def _accuracy_cards(figures: dict[str, Figure], history: History) -> Iterator[dict[str, Any]]:
    for data, scores in groupby(history.newest_scores(), key=lambda score: score.data):
        rows = list(scores)
        figures[f"scores-{len(figures)}"] = draw_scores(rows)
        yield {"data": data, "figure": f"scores-{len(figures) - 1}", "scores": rows}
