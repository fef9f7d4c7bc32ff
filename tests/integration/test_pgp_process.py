"""Decrypting as a process among others: what a unit forbids is not missed, and a kill leaves nothing to be found."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingester.domain.errors import TransientError
from ingester.formats.packed import gpg, pgp
from tests.confinement import Confinement
from tests.openpgp import Person
from tests.unit_file import Unit

pytestmark = pytest.mark.needs("gpg")

WORKER = Path(__file__).parents[2] / "systemd" / "ingester-worker.service"
DECRYPTS = textwrap.dedent("""
    import sys
    from pathlib import Path
    from ingester.formats.packed import pgp
    folder = Path(sys.argv[1])
    keys = pgp.Keyring((Path(sys.argv[2]).read_text(),), (Path(sys.argv[3]).read_text(),))
    print("begins", flush=True)
    found = pgp.decrypt(folder / "message", folder / "plain", keys, limit_bytes=1 << 40, signed=True)
    print(found.signer, flush=True)
""")


@pytest.fixture(scope="module")
def us() -> Iterator[Person]:
    with Person("us") as person:
        yield person


def test_without_an_agent_a_message_is_tried_again_not_refused(
    tmp_path: Path, us: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "message").write_bytes(us.writes(b"x", "--encrypt", to=(us,)))
    monkeypatch.setattr(gpg, "_ALWAYS", (*gpg._ALWAYS, "--no-autostart"))  # as where it starts too late
    with pytest.raises(TransientError, match="agent"):
        pgp.decrypt(
            tmp_path / "message", tmp_path / "plain", pgp.Keyring((us.secret,)), limit_bytes=1 << 20, signed=False
        )


def arguments(tmp_path: Path, us: Person, data: bytes) -> list[str]:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "message").write_bytes(us.writes(data, "--sign", "--encrypt", to=(us,)))
    (tmp_path / "secret").write_text(us.secret)
    (tmp_path / "public").write_text(us.public)
    return [sys.executable, "-c", DECRYPTS, str(folder), str(tmp_path / "secret"), str(tmp_path / "public")]


@pytest.mark.needs("systemd-analyze")
def test_a_worker_under_systemd_may_do_all_that_decrypting_takes(tmp_path: Path, us: Person) -> None:
    command = arguments(tmp_path, us, b"id\n1\n")
    confinement = Confinement(Unit(WORKER))
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=confinement.enter, timeout=60)
    assert done.returncode == 0, done.stderr
    assert us.key.fingerprint in done.stdout
    assert (tmp_path / "work" / "plain").read_bytes() == b"id\n1\n"


def test_a_kill_leaves_no_file_that_could_be_taken_for_the_content_and_no_program_at_work(
    tmp_path: Path, us: Person
) -> None:
    command = arguments(tmp_path, us, bytes(400 << 20))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        unverified = tmp_path / "work" / ".plain.unverified"
        while not unverified.exists() or not unverified.stat().st_size:
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "work" / "plain").exists()
    # The workspace is removed by whoever finds it, and with it goes all that is secret.
    for path in sorted((tmp_path / "work").rglob("*"), reverse=True):
        path.unlink() if not path.is_dir() else path.rmdir()
    deadline = time.monotonic() + 30
    while left := _programs(process.pid):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _programs(pid: int) -> list[str]:
    """Those whose home is named by this process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"/proc/{pid}/fd/" in line:
            found.append(line)
    return found
