"""OpenSSH's own server, `sshd` with `internal-sftp`, on a free port: what ours is measured against."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh

_PATIENCE_SECONDS = 10.0


@contextmanager
def sshd(scratch: Path, public_key: Path) -> Iterator[int]:
    """Run it, with `public_key` for whoever runs this; the port it listens on.

    Raises AssertionError if it is not installed (Debian: openssh-server) or does not start.
    """
    program = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    assert program, "needs sshd; on Debian: apt-get install openssh-server"
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    key = scratch / "sshd_host_key"
    key.touch(mode=0o600)
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(key))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = scratch / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {key}\nAuthorizedKeysFile {public_key}\nPidFile none\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        "MaxStartups 2000\nSubsystem sftp internal-sftp\n"
    )
    with (scratch / "sshd.log").open("wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", str(config)], stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                is_starting = process.poll() is None and time.monotonic() < deadline
                assert is_starting, (scratch / "sshd.log").read_text()
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()
