"""Say the newest of each test in Markdown, for a pull request or a job's summary."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from resnet_fixtures.report.figures import published_top1
from resnet_fixtures.report.wording import say_change, say_interval, say_number, say_setting, say_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resnet_fixtures.report.history import History, Series

SPECIAL = re.compile(r"[\\`*\[\]|~@<>&]|(?<![^\W_])_|_(?![^\W_])|:(?=//)")  # @ would call people, :// make a link
MAX_CELL = 400


def render_markdown(history: History) -> str:
    """Return tables of the newest timings, verdicts and scores; a part without a row is left out."""
    parts = [_timings(history), _verdicts(history), _scores(history), _trainings(history)]
    return "\n\n".join(part for part in parts if part) + "\n"


def escape_cell(text: str) -> str:
    """Make a text mean itself in a table's cell: no markup, no HTML, no new line, no mention, no end of the cell."""
    line = " ".join(text.split())
    line = line if len(line) <= MAX_CELL else f"{line[:MAX_CELL]}…"
    return SPECIAL.sub(lambda found: f"&#{ord(found[0])};", line)


def _timings(history: History) -> str:
    places = [f"{series.newest.machine.label}; {say_setting(series.newest)}" for series in history.series]
    rows = [
        (
            series.name,
            f"{say_number(series.newest.images_per_s)} {say_interval(series.newest)}".strip(),
            say_number(series.newest.latency_s * 1e3),
            _say_last_change(series),
            str(len(series.points)),
            place,
        )
        for series, place in zip(history.series, places, strict=True)
    ]
    head = ("test", "images/s, 95 % interval", "median, ms", "last change of level", "runs", "machine and setting")
    if len(set(places)) != 1:
        return _table("Speed", head, rows)
    return _table("Speed", head[:-1], [row[:-1] for row in rows], note=places[0])


def _say_last_change(series: Series) -> str:
    if not series.changes:
        return "none"
    change = series.changes[-1]
    cause = f": {change.cause}" if change.cause else ""
    return f"{say_change(change.relative)} since {say_time(change.point.run.time)}{cause}"


def _verdicts(history: History) -> str:
    newest = {judged.test: (judged, run.time) for _, run in history.numbered() for judged in run.judged}
    rows = [
        (test.rpartition("::")[2], one.verdict, one.reason, say_time(time))
        for test, (one, time) in sorted(newest.items())
    ]
    return _table("The gate's verdicts", ("test", "verdict", "reason", "judged"), rows)


def _scores(history: History) -> str:
    rows = []
    for score in history.newest_scores():
        published = published_top1(score)
        top1, top5 = score.correct1 / score.images, score.correct5 / score.images
        shown = f"{published:.4f}" if published else "none"
        rows.append((score.data, score.precision, f"{top1:.4f}", shown, f"{top5:.4f}", f"{score.images:,}"))
    return _table("Accuracy", ("data", "precision", "top-1", "published", "top-5", "images"), rows)


def _trainings(history: History) -> str:
    newest = {(one.data, one.precision, one.processes): one for one in history.trainings}
    rows = [
        (
            one.data,
            one.precision,
            f"{one.top1:.4f}",
            f"{one.target:g} {'reached' if one.is_reached else 'missed'}",
            say_number(one.time_to_train_s) if one.time_to_train_s else "none",
        )
        for one in newest.values()
    ]
    return _table("Trainings to a target", ("data", "precision", "top-1", "target", "time to train, s"), rows)


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> str:
    lines = [_row(map(escape_cell, row)) for row in rows]
    above = [f"### {title}", "", *([escape_cell(note), ""] if note else [])]
    return "\n".join([*above, _row(head), _row("---" for _ in head), *lines]) if lines else ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
