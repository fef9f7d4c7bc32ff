"""What a process loads: a listener stays small, and no process that sees no frame loads pandas."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("ingester.service", ("numpy", "pyarrow", "pandas")),
        ("ingester.cli.app", ("numpy", "pyarrow", "pandas", "asyncssh")),
        ("ingester.worker", ("pandas", "asyncssh")),
    ],
)
def test_a_process_loads_only_what_it_needs(module: str, absent: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*sys.modules, sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert module in loaded
    assert not set(absent) & set(loaded)


def test_pandas_can_still_be_had_where_somebody_asks_for_a_frame() -> None:
    code = "import ingester.arrow_alone, pyarrow as pa; print(pa.table({'a': [1]}).to_pandas().shape)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(1, 1)"
