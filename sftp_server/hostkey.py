"""The server's own keys: made at first start, never replaced, readable by nobody else."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import asyncssh

_RSA_BITS = 3072
_NAMES = ("ssh_host_ed25519_key", "ssh_host_rsa_key")


class HostKeyError(Exception):
    """A host key cannot be used; the message is one line and names the file and the fix."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HostKey:
    """One private host key on disk."""

    path: Path
    algorithm: str
    #: As clients show it: `SHA256:…`.
    fingerprint: str
    bits: int


def ensure_host_keys(folder: Path) -> tuple[HostKey, ...]:
    """Return the host keys in `folder`, making an Ed25519 and an RSA key (with `.pub` files) where they are missing.

    Raises `HostKeyError` for keys that are unreadable or open to others.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ed25519, rsa = _NAMES
    return (
        _ensure(folder / ed25519, lambda: asyncssh.generate_private_key("ssh-ed25519")),
        _ensure(folder / rsa, lambda: asyncssh.generate_private_key("ssh-rsa", key_size=_RSA_BITS)),
    )


def read_host_keys(folder: Path) -> tuple[HostKey, ...]:
    """Return those host keys in `folder` that there are. Makes none; otherwise as `ensure_host_keys`."""
    return tuple(_described(folder / name, _read(folder / name)) for name in _NAMES if (folder / name).exists())


def _ensure(path: Path, generate: Callable[[], asyncssh.SSHKey]) -> HostKey:
    if not path.exists():
        _write(path, generate().export_private_key(), 0o600)
    # Whether an RSA key's numbers fit takes long to find out; the server does when it loads the key.
    key = _read(path, validate=False)
    public = path.with_suffix(".pub")
    if not public.exists():
        _write(public, key.export_public_key(), 0o644)
    return _described(path, key)


def _read(path: Path, *, validate: bool = True) -> asyncssh.SSHKey:
    try:
        if path.stat().st_mode & 0o077:
            raise HostKeyError(f"The host key {path} is open to other users; run: chmod 600 {path}")
        return asyncssh.read_private_key(path, unsafe_skip_rsa_key_validation=not validate)
    except (OSError, asyncssh.KeyImportError) as error:
        raise HostKeyError(f"The host key {path} cannot be read: {error}; restore or delete it") from error


def _described(path: Path, key: asyncssh.SSHKey) -> HostKey:
    # Keys on one fixed curve do not say how long they are.
    bits = getattr(key.pyca_key, "key_size", 256)
    return HostKey(path=path, algorithm=key.get_algorithm(), fingerprint=key.get_fingerprint(), bits=bits)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a whole file or none; of two processes starting at once, the first one's key stays."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        temporary.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
