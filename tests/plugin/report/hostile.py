"""A history whose every text tries to become markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from resnet_fixtures.gate.verdict import Verdict
from tests.plugin.report.told_runs import make_benchmark, write_gate_run, write_saved_run, write_score

if TYPE_CHECKING:
    from pathlib import Path

ATTACK = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">'\"|`a`\n&lt;b>"


def write_hostile_history(folder: Path) -> None:
    """Put the attack wherever a stored file has text."""
    noise = np.random.default_rng(0)
    for night in range(8):
        benchmark = make_benchmark("int8", 128, 80.0 if night < 4 else 40.0, noise, f"{night}{ATTACK}")
        benchmark["fullname"] = f"a.py::t[{ATTACK}]"
        extra = benchmark["extra_info"]
        extra |= {"data": ATTACK, "precision": ATTACK, "isa": ATTACK, "cut": ATTACK, "graph_sha256": ATTACK}
        extra["machine"] |= {"cpu_model": ATTACK, "governor": ATTACK}
        extra["versions"] |= {ATTACK: ATTACK}
        commit = {"id": ATTACK, "branch": ATTACK}
        write_saved_run(folder, night, [benchmark], machine_info={"node": ATTACK}, commit_info=commit)
    write_saved_run(folder, 8, [make_benchmark("fp32", 1, 20.0, noise)])
    write_gate_run(folder / "gate_1.json", 9, Verdict.PASS, (f"b.py::u[{ATTACK.replace(chr(10), ' ')}]",))
    path = write_score(folder, "int8", 300, 360, "digits")
    path.write_text(path.read_text().replace('"digits"', '"<b>digits</b>"'))
