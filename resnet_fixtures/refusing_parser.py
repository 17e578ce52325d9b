"""Parse the command line of a `python -m resnet_fixtures.…`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from resnet_fixtures.errors import REFUSED

if TYPE_CHECKING:
    from typing import NoReturn


class RefusingParser(argparse.ArgumentParser):
    """Ends with one sentence and REFUSED, where argparse has the usage and 2: pytest's own 2 is an interruption."""

    def error(self, message: str) -> NoReturn:
        """End with one sentence."""
        self.exit(REFUSED, f"{self.prog}: error: {message}\n")
