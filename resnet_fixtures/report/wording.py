"""Say numbers, times and intervals as the page and the Markdown table do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from resnet_fixtures.report.history import Result


def say_number(value: float) -> str:
    """Say a number above 0 with three or four digits that count."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}" if value >= 10 else f"{value:.3g}"


def say_change(relative: float) -> str:
    """Say a relative change in percent, with its sign."""
    return f"{relative * 100:+.1f} %".replace("-", "\N{MINUS SIGN}")


def say_interval(result: Result) -> str:
    """Say the 95 % interval of images per second; empty where there is none."""
    return f"[{say_number(result.interval[0])}, {say_number(result.interval[1])}]" if result.interval else ""


def say_time(time: datetime) -> str:
    """Say a time in UTC."""
    return f"{time:%Y-%m-%d %H:%M}"


def say_setting(result: Result) -> str:
    """Say what sets trends of one test apart, the machine aside: data, threads, processes."""
    processes = f"{result.processes} processes" if result.processes > 1 else ""
    data = f"{result.data} images" if result.data else ""
    return ", ".join(part for part in (data, result.threads, processes) if part)
