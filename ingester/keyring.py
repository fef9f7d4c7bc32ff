"""OpenPGP keys as they are kept: files in the data directory, for the service's account alone.

`pgp/tenants/<tenant>/own/` has secret keys that a tenant's files are encrypted for, `senders/` the tenant's own
certificates: whose signatures count, and what outbox files are encrypted for. The server's keys, in
`pgp/server/own/`, are for tenants without one. A file is named by its key's fingerprint.
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path

from ingester.directory import DataDirectory, sync_folder
from ingester.domain.errors import UsageError
from ingester.formats.packed import pgp_key
from ingester.formats.packed.gpg import Gpg
from ingester.formats.packed.pgp import Keyring
from ingester.formats.packed.pgp_key import Key

#: The owner whose keys are the server's.
SERVER = "*"

_OWN, _SENDERS = "own", "senders"
_FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")


def for_tenant(directory: DataDirectory, tenant: str) -> Keyring:
    """What reads a tenant's messages: its own keys, or those of the server where it has none.

    Not both: else a tenant with keys of its own could have read what was encrypted for the server by somebody else.
    """
    keys = Keys(directory, tenant)
    return Keyring(secrets=keys.texts(_OWN) or Keys(directory, SERVER).texts(_OWN), senders=keys.texts(_SENDERS))


class Keys:
    """The keys of one owner: a tenant, or SERVER. gpg works in `scratch`, else where attempts do."""

    def __init__(self, directory: DataDirectory, owner: str, scratch: Path | None = None) -> None:
        self._folder = directory.pgp(owner)
        self._owner = owner
        self._scratch = scratch or directory.work

    def texts(self, kind: str) -> tuple[str, ...]:
        """The keys of a kind, in armor."""
        return tuple(path.read_text() for path in sorted((self._folder / kind).glob("*.asc")))

    def own(self) -> list[Key]:
        """The secret keys, the newest first: that is the one that files are to be encrypted for."""
        return sorted(self._read(_OWN), key=_age, reverse=True)

    def senders(self) -> list[Key]:
        """The certificates of those who send, by when they were made."""
        return sorted(self._read(_SENDERS), key=_age)

    def make(self, user: str, *, rotate: bool = False) -> Key:
        """Make a key. With `rotate` there may be one already, which goes on reading what was encrypted for it."""
        if (self._folder / _OWN).is_dir() and any((self._folder / _OWN).glob("*.asc")) and not rotate:
            raise UsageError(
                f"{self._said} has a key already",
                fix="Say --rotate to make another; the old one goes on reading what was encrypted for it.",
            )
        with Gpg(self._scratch) as gpg:
            armored, key = pgp_key.make(gpg, user)
        self._write(_OWN, key.fingerprint, armored)
        return key

    def add(self, given: bytes, at: datetime) -> Key:
        """Add a sender's certificate, or what became of one that is there. UsageError if it is of no use."""
        if self._owner == SERVER:
            raise UsageError("the server has no senders", fix="Name the tenant who sends.")
        with Gpg(self._scratch) as gpg:
            key = _usable(pgp_key.read(gpg, given), at)
            known = self._folder / _SENDERS / f"{key.fingerprint}.asc"
            # Both together: what one of them says of it may be newer, a new subkey or a revocation.
            for each in (known.read_bytes() if known.exists() else b"", given):
                gpg.ask("--import", given=each)
            armored = pgp_key.export(gpg, key.fingerprint)
            (key,) = pgp_key.read(gpg, armored.encode())
        _usable([key], at)
        self._write(_SENDERS, key.fingerprint, armored)
        return key

    def public(self) -> tuple[Key, str]:
        """The key that files are to be encrypted for, and its public part in armor."""
        keys = self.own()
        if not keys:
            owner = "'*'" if self._owner == SERVER else self._owner
            raise UsageError(f"{self._said} has no key", fix=f"Make one: ingester tenant pgp {owner} make")
        with Gpg(self._scratch) as gpg:
            gpg.take([(self._folder / _OWN / f"{keys[0].fingerprint}.asc").read_text()])
            return keys[0], pgp_key.export(gpg, keys[0].fingerprint)

    def remove(self, fingerprint: str) -> None:
        """Remove a key of either kind."""
        wanted = fingerprint.replace(" ", "").upper().removeprefix("0X")
        paths = [self._folder / kind / f"{wanted}.asc" for kind in (_OWN, _SENDERS)]
        there = [path for path in paths if _FINGERPRINT.fullmatch(wanted) and path.exists()]
        if not there:
            raise UsageError(f"{self._said} has no key {fingerprint}", fix="See what there is with `list`.")
        for path in there:
            path.unlink()
            sync_folder(path.parent)

    @property
    def _said(self) -> str:
        return "the server" if self._owner == SERVER else f"tenant '{self._owner}'"

    def _read(self, kind: str) -> list[Key]:
        texts = self.texts(kind)
        if not texts:
            return []
        with Gpg(self._scratch) as gpg:
            return [key for text in texts for key in pgp_key.read(gpg, text.encode())]

    def _write(self, kind: str, fingerprint: str, text: str) -> None:
        """At once and whole, and on disk: whatever is encrypted for a key is lost with it."""
        folder = self._folder / kind
        for each in (*reversed(folder.parents), folder):
            if each.is_dir():
                continue
            each.mkdir(mode=0o700, exist_ok=True)
            sync_folder(each.parent)
        made = folder / f".{fingerprint}.new"
        with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123 -- a mode of its own
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        made.rename(folder / f"{fingerprint}.asc")
        sync_folder(folder)


def _usable(keys: list[Key], at: datetime) -> Key:
    """The one key there is, if it can be encrypted to and its signatures count."""
    if len(keys) != 1:
        what = "several keys" if keys else "no OpenPGP key that this version of gpg can read"
        raise UsageError(f"the file holds {what}", fix="Give one, as `gpg --armor --export FINGERPRINT` writes it.")
    (key,) = keys
    if key.secret:
        raise UsageError(
            "that is a secret key, which nobody should have but its owner",
            fix="Ask for the public one (`gpg --armor --export`), and for a new pair of keys.",
        )
    ask = "Ask its owner for the present one."
    if key.revoked:
        raise UsageError(f"the key {key.fingerprint} was revoked", fix=ask)
    if key.expired or (key.expires is not None and key.expires <= at):
        raise UsageError(f"the key {key.fingerprint} expired on {key.expires:%Y-%m-%d}", fix=ask)
    if not key.encrypts and not key.signs:
        raise UsageError(f"the key {key.fingerprint} neither signs nor encrypts", fix=ask)
    return key


def _age(key: Key) -> tuple[datetime, str]:
    return key.created, key.fingerprint
