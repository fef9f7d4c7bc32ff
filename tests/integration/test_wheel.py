"""The wheel stands on its own: built, installed elsewhere and used from an empty folder, it carries its rules."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with what is installed here: nothing is downloaded."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(REPOSITORY)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `ingester` command of a fresh environment that has the wheel; its dependencies are borrowed from this one."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    command = [sys.executable, "-m", "pip", "--python", home / "bin" / "python"]
    command += ["install", "--disable-pip-version-check", "-q", "--no-deps", "--no-index", wheel]
    subprocess.run(command, check=True, timeout=110)
    (packages,) = (home / "lib").glob("python*/site-packages")
    # A path added by a .pth file has its own .pth files ignored, so the editable install does not come along.
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin" / "ingester"


def run(program: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    return subprocess.run(
        [program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=110
    )


def test_the_wheel_carries_every_rule_file_every_unit_and_the_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    rules = {path.relative_to(REPOSITORY / "rules").as_posix() for path in (REPOSITORY / "rules").rglob("*.yaml")}
    assert rules
    assert {f"ingester/_rules/{rule}" for rule in rules} <= names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    units = {path.name for path in (REPOSITORY / "systemd").iterdir()}
    assert {name.rpartition("/")[2] for name in names if "/share/ingester/systemd/" in name} == units
    assert not any(name.startswith(("tests/", "rules/")) for name in names)


def test_the_installed_program_knows_its_rules(installed: Path, tmp_path: Path) -> None:
    program = installed.with_name("python")
    where = run(Path(program), "-c", "import ingester, sftp_server; print(ingester.__file__)", folder=tmp_path)
    assert where.stdout.startswith(str(installed.parents[1])), "it runs the wheel, not this repository"
    listed = run(installed, "rules", "list", folder=tmp_path)
    assert listed.returncode == 0, listed.stderr
    for path in (REPOSITORY / "rules").rglob("*.yaml"):
        assert path.stem in listed.stdout


def test_the_installed_program_shows_its_demo_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    shown = run(installed, "demo", folder=tmp_path)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert not [path for path in tmp_path.iterdir() if path.name != ".cache"], "it cleaned up after itself"
