"""Which of the suite's fixtures a test uses: others may have fixtures, parameters and marks of the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resnet_fixtures.errors import InputError

if TYPE_CHECKING:
    import pytest

PACKAGE = "resnet_fixtures."
ROOT = "thread_plan"  # the other fixtures stand on it, but for the two parameters
PARAMETERS = ("precision", "batch_size")


def uses(item: pytest.Item, fixture: str) -> bool:
    """Tell whether a test gets the suite's fixture of this name, itself or through an override that asks for it."""
    for definition in reversed(_definitions(item).get(fixture, ())):
        if str(getattr(definition.func, "__module__", "")).startswith(PACKAGE):
            return True
        if fixture not in definition.argnames:
            return False
    return False


def is_ours(item: pytest.Item) -> bool:
    """Tell whether a test uses the suite at all."""
    return any(uses(item, name) for name in (ROOT, *PARAMETERS))


def parameter(item: pytest.Item, name: str) -> Any:
    """Return the value of a test's parameter, None where it has none of this name."""
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get(name)


def parametrized(request: pytest.FixtureRequest) -> Any:
    """Return the value that a fixture is parametrized with; InputError where a test asks for it while it runs."""
    if not hasattr(request, "param"):
        raise InputError(
            f"{request.fixturename} has no value here, because the test asks for it while it runs or is unittest's: "
            f"name {request.fixturename} among the test's arguments, or parametrize it."
        )
    return request.param


def parametrized_by_hand(item: pytest.Item) -> set[str]:
    """Return the names that the test's own `parametrize` marks give values to."""
    marks = (mark.args[0] if mark.args else mark.kwargs["argnames"] for mark in item.iter_markers("parametrize"))
    lists = (names.split(",") if isinstance(names, str) else names for names in marks)
    return {name.strip() for names in lists for name in names}


def parametrized_by_hooks(metafunc: pytest.Metafunc) -> set[str]:
    """Return the names that somebody's `pytest_generate_tests` gave values to; pytest has no public way to them."""
    return {name for call in getattr(metafunc, "_calls", ()) for name in call.params}


def _definitions(item: pytest.Item) -> Any:
    """Return the fixture definitions of a test by name, the nearest last; pytest has no public way to them."""
    return getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
