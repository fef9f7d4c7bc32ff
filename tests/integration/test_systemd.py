"""The shipped units: systemd accepts them, and they are hardened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

UNITS = sorted((Path(__file__).parents[2] / "systemd").glob("*.service"))

pytestmark = pytest.mark.needs("systemd-analyze")


@pytest.fixture(params=UNITS, ids=lambda unit: unit.name)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a unit that runs the program of this environment: systemd refuses an ExecStart that does not exist."""
    text = request.param.read_text()
    installed, here = "/opt/ingester/bin/ingester", Path(sys.executable).with_name("ingester")
    assert f"ExecStart={installed} " in text
    copy = tmp_path / request.param.name
    copy.write_text(text.replace(f"ExecStart={installed} ", f"ExecStart={here} "))
    return copy


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)


def test_systemd_accepts_the_unit_without_a_word(unit: Path) -> None:
    verified = analyze("verify", "--man=no", unit)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_the_unit_exposes_little(unit: Path) -> None:
    # In tenths of systemd's exposure level from 0 to 10; what remains is mostly the network, which it is there for.
    judged = analyze("security", "--offline=true", "--threshold=15", unit)
    assert judged.returncode == 0, judged.stdout


def test_the_unit_starts_a_command_that_exists(unit: Path) -> None:
    (line,) = (line for line in unit.read_text().splitlines() if line.startswith("ExecStart="))
    program, command, *options = line.removeprefix("ExecStart=").split()
    told = subprocess.run([program, command, "--help"], capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stderr
    for option in options:
        if option.startswith("--"):
            assert option in told.stdout
