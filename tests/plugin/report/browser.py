"""Look at a page with chromium, through the pipe of its DevTools protocol: no port, no network."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """Start chromium with a fresh profile in `folder`, and end it."""
    assert CHROMIUM, "the caller has looked for it"
    commands, answers = os.pipe(), os.pipe()
    redirected = f'exec "$@" 3<&{commands[0]} 4>&{answers[1]}'
    program = [CHROMIUM, *QUIET, f"--user-data-dir={folder / 'profile'}", "--remote-debugging-pipe", "about:blank"]
    with (
        (folder / "chromium.log").open("wb") as log,
        subprocess.Popen(
            ["/bin/bash", "-c", redirected, "bash", *program], pass_fds=(commands[0], answers[1]), stderr=log
        ) as process,
    ):
        os.close(commands[0])
        os.close(answers[1])
        with os.fdopen(commands[1], "wb", buffering=0) as writer, os.fdopen(answers[0], "rb") as reader:
            try:
                yield Browser(writer, reader)
            finally:
                process.kill()


class Browser:
    """One tab. `requests` are the addresses that pages asked for, `complaints` what they wrote to the console."""

    def __init__(self, writer: Any, reader: Any) -> None:
        self._writer, self._reader, self._number = writer, reader, 0
        self._session: str | None = None
        self.requests: list[str] = []
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def open(self, page: Path, fragment: str = "", *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a page in a window of that size and wait until its first figures are drawn."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.resize(width, height)
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=f"{page.resolve().as_uri()}{fragment}")
        self.wait_for("document.readyState == 'complete' && document.documentElement.dataset.drawnMs")

    def resize(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, of what its promise brings where it is one."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Wait until a condition holds, at most 60 s."""
        waited = f"""new Promise((done, fail) => {{
            const end = Date.now() + 60000;
            const look = () => ({condition}) ? done(true) : Date.now() > end ? fail("waited") : setTimeout(look, 20);
            look();
        }})"""
        assert self.evaluate(waited) is True

    def screenshot(self, path: Path) -> None:
        """Save what the window shows as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command and return its answer; events before it are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._writer.write(json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _receive(self) -> dict[str, Any]:
        parts = bytearray()
        while (sign := self._reader.read(1)) != b"\0":
            assert sign, "chromium has ended"
            parts += sign
        received: dict[str, Any] = json.loads(parts)
        return received

    def _note(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(parameters["entry"]["text"])
            case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled":
                self.complaints.append(json.dumps(parameters)[:500])
