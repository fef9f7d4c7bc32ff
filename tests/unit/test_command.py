"""The command line as a whole: what it loads before it knows what to do, and what its exit codes mean."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ingester import cli
from ingester.cli import app as commands
from ingester.domain.errors import ConfigurationError, IngesterError, InvariantError, TransientError, UsageError


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """What a command does to its process would follow the other tests of this one."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


def test_help_loads_no_database_no_columns_and_no_settings() -> None:
    program = "import sys, ingester.cli.app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"sqlalchemy", "alembic", "pydantic", "pyarrow", "numpy", "pandas", "structlog", "asyncssh"} & {*loaded}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no such thing", fix="Say another."), 1),
        (ConfigurationError("no such folder"), 1),
        (TransientError("the database is busy"), 3),
        (InvariantError("it does not add up"), 3),
        (FileNotFoundError(2, "No such file or directory", "gone.csv"), 3),
    ],
)
def test_what_the_user_can_mend_ends_with_1_and_the_rest_with_3(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(commands, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert (error.message if isinstance(error, IngesterError) else "gone.csv") in line


def test_a_fault_of_our_own_ends_with_3_and_shows_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "app", lambda: {}["no such key"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 3, "1 would tell systemd that trying again is of no use"
    assert capsys.readouterr().err.rstrip().endswith("KeyError: 'no such key'")


@pytest.mark.parametrize(
    "words", [[], ["nonsense"], ["--nonsense"], ["import"], ["import", "x", "--nonsense"], ["feed"]]
)
def test_a_wrong_command_line_ends_with_1_since_2_means_refused_rows(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ingester", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert "Usage" in "".join(capsys.readouterr())
