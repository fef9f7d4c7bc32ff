"""The server's own keys."""

from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest

from sftp_server import HostKeyError, ensure_host_keys
from sftp_server.algorithm import host_keys


def test_keys_are_made_once_and_readable_by_nobody_else(tmp_path: Path) -> None:
    folder = tmp_path / "host_keys"
    made = ensure_host_keys(folder)
    assert [key.algorithm for key in made] == ["ssh-ed25519", "ssh-rsa"]
    assert all(key.fingerprint.startswith("SHA256:") for key in made)
    assert all(key.path.stat().st_mode & 0o777 == 0o600 for key in made)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert ensure_host_keys(folder) == made
    assert sorted(path.name for path in folder.iterdir()) == [
        "ssh_host_ed25519_key",
        "ssh_host_ed25519_key.pub",
        "ssh_host_rsa_key",
        "ssh_host_rsa_key.pub",
    ]
    pairs = host_keys([key.path for key in made])
    assert [list(pair.host_key_algorithms) for pair in pairs] == [[b"ssh-ed25519"], [b"rsa-sha2-256", b"rsa-sha2-512"]]

    made[0].path.chmod(0o644)
    with pytest.raises(HostKeyError, match="chmod 600"):
        ensure_host_keys(folder)
    made[0].path.chmod(0o600)
    made[0].path.write_text("garbage")
    with pytest.raises(HostKeyError, match="cannot be read"):
        ensure_host_keys(folder)


async def test_a_client_can_verify_both_keys(site: object, tmp_path: Path) -> None:
    made = ensure_host_keys(tmp_path / "keys")
    for key, algorithm in zip(made, ("ssh-ed25519", "rsa-sha2-512"), strict=True):
        server = await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=host_keys([k.path for k in made]), server_factory=asyncssh.SSHServer
        )
        found = await asyncssh.get_server_host_key(
            "127.0.0.1", server.get_port(), server_host_key_algs=[algorithm], config=None
        )
        assert found is not None
        assert found.get_fingerprint() == key.fingerprint
        server.close()
        await server.wait_closed()
