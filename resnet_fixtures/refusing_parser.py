"""Parse the command line of a `python -m resnet_fixtures.…`, and answer it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.errors import REFUSED

if TYPE_CHECKING:
    from typing import NoReturn


class RefusingParser(argparse.ArgumentParser):
    """Ends with one sentence and REFUSED, where argparse has the usage and 2: pytest's own 2 is an interruption."""

    def error(self, message: str) -> NoReturn:
        """End with one sentence."""
        self.exit(REFUSED, f"{self.prog}: error: {message}\n")

    def answer(self, text: str) -> None:
        """Print a command's output; characters that the standard output does not have come as escapes."""
        encoding = sys.stdout.encoding
        try:
            print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)  # noqa: T201
        except OSError as error:
            with Path(os.devnull).open("w") as nowhere:  # for what Python would write once more at its end
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
            self.error(f"the standard output cannot be written ({error.strerror}): write to a file that has room.")
