"""The libraries of the report, which an installation for measuring alone does without."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def needs_report_extra() -> Iterator[None]:
    """Turn an import that fails into an InputError that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(f"The report needs {error.name}: pip install 'resnet-fixtures[report]'.") from error
