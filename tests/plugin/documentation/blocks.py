"""Find the fenced code blocks of a Markdown file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FENCE = re.compile(r"^```(?P<language>\S*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL_LANGUAGES = frozenset({"bash", "console", "sh", "shell"})
EXECUTABLE_LANGUAGES = SHELL_LANGUAGES | {"python"}
SHOWN_LANGUAGES = frozenset({"text"})  # output, and the commands of other projects


@dataclass(frozen=True)
class Block:
    """A code block: `line` is the number of its fence, `text` what stands between the fences."""

    file: Path
    line: int
    language: str
    text: str

    @property
    def is_executable(self) -> bool:
        return self.language in EXECUTABLE_LANGUAGES

    @property
    def script(self) -> str:
        """Give what a reader pastes: a console block's commands without their prompts and their output."""
        lines = self.text.splitlines()
        if self.language != "console":
            return self.text
        return "\n".join(line.removeprefix("$ ") for line in lines if line.startswith("$ "))


def find_blocks(file: Path) -> list[Block]:
    """List the blocks of a Markdown file in their order."""
    text = file.read_text(encoding="utf-8")
    return [
        Block(file, text.count("\n", 0, match.start()) + 1, match["language"], match["text"])
        for match in FENCE.finditer(text)
    ]
