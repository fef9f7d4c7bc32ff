"""The data directory: where things are, who may use it, and one file on its way."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ingester.directory import DataDirectory, sync_file, sync_folder
from ingester.domain.errors import ConfigurationError, TransientError


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    directory = DataDirectory(tmp_path / "data")
    directory.create()
    return directory


def test_making_it_again_changes_nothing(directory: DataDirectory) -> None:
    (directory.drops / "x").write_text("kept")
    before = sorted(directory.root.rglob("*"))
    directory.create()
    assert sorted(directory.root.rglob("*")) == before


def test_nobody_else_can_read_it(directory: DataDirectory) -> None:
    directory.tenant("acme").create()
    for path in (directory.drops, directory.quarantine, directory.work, directory.tenant("acme").outbox):
        assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO == 0, path


def test_a_place_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError, match=r"the data directory .*file.* cannot be written"):
        DataDirectory(tmp_path / "file").create()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE])
def test_a_disk_in_trouble_may_recover_so_that_trying_again_makes_sense(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "touch", fail)
    with pytest.raises(TransientError, match="cannot be written"):
        DataDirectory(tmp_path / "data").create()


def test_only_one_process_at_a_time_uses_it(directory: DataDirectory) -> None:
    held = directory.lock()
    with pytest.raises(ConfigurationError, match=rf"another ingester \(process {os.getpid()}\)"):
        directory.lock()
    os.close(held)
    os.close(directory.lock())


def test_a_process_that_was_killed_holds_it_no_longer(directory: DataDirectory) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from ingester.directory import DataDirectory;"
        "DataDirectory(Path(sys.argv[1])).lock(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, directory.root]).returncode == -9
    os.close(directory.lock())


def test_a_drop_is_found_where_it_was_recorded_or_where_a_crash_left_it(directory: DataDirectory) -> None:
    recorded = directory.root / "tenants" / "x"
    assert directory.drop_file("id", "tenants/x") == recorded
    (directory.quarantine / "id").write_text("q")
    assert directory.drop_file("id", "tenants/x") == directory.quarantine / "id"
    (directory.drops / "id").write_text("d")
    assert directory.drop_file("id", "tenants/x") == directory.drops / "id"
    recorded.write_text("r")
    assert directory.drop_file("id", "tenants/x") == recorded


def test_paths_are_recorded_relative_to_it(directory: DataDirectory) -> None:
    assert directory.relative(directory.drops / "id") == "spool/drops/id"


def test_syncing_what_is_not_there_is_an_error(directory: DataDirectory) -> None:
    with pytest.raises(FileNotFoundError):
        sync_file(directory.drops / "nothing")
    (directory.drops / "file").write_text("x")
    with pytest.raises(NotADirectoryError):
        sync_folder(directory.drops / "file")
