"""`ingester` that can be told to die: the only program that arms fault points by kill -9.

`CRASH_PLAN` names a file; while it exists it says where to die: `{"point", "pass", "victim", "always"}`. The victim is
the `process` that passes the point, or the whole `service`. The plan is used up by the first process that dies of
it, unless it is for `always`. Worker processes import this module again, and so are armed as well.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections import Counter
from pathlib import Path

from ingester import fault

_PLAN = Path(os.environ["CRASH_PLAN"])
_passed: Counter[str] = Counter()


def _die_as_planned(point: str) -> None:
    try:
        text = _PLAN.read_text()
        plan = json.loads(text)
        if plan["point"] != point:
            return
        _passed[text] += 1
        if _passed[text] < plan["pass"]:
            return
        if not plan["always"]:
            _PLAN.unlink()
    except FileNotFoundError:
        return
    parent = multiprocessing.parent_process()
    if plan["victim"] == "service" and parent is not None:
        os.kill(parent.pid or 0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


fault.arm(_die_as_planned)

if __name__ == "__main__":
    from ingester.cli import main

    main()
