"""Checks of OpenPGP keys: gpg is there, can read them, and no certificate runs out unnoticed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from ingester.doctor.finding import Finding, ok, warning, wrong
from ingester.doctor.subject import Subject
from ingester.formats.packed.pgp_key import Key
from ingester.keyring import SERVER, Keys

#: Time enough to ask a customer for a new certificate.
_SOON = timedelta(days=30)


def pgp_keys(subject: Subject) -> Iterator[Finding]:
    """Whether files can be decrypted, and go on being so; says nothing where nobody has a key."""
    folder = subject.directory.pgp(SERVER).parent
    if not folder.is_dir():
        return
    if shutil.which("gpg") is None:
        yield wrong("gpg is not installed, and there are keys for it", "`apt-get install gnupg`.")
        return
    closed = [path for path in folder.rglob("*") if not os.access(path, os.R_OK)]
    if closed or not os.access(folder, os.R_OK | os.X_OK):
        place = closed[0] if closed else folder
        yield wrong(f"{place} cannot be read by this user", f"`chown -R` {folder} to the service's account.")
        return
    for owner in sorted(path.name for path in (folder / "tenants").glob("*")):
        # Elsewhere than in the data directory, where nothing is to be changed. No secret key gets there.
        for key in Keys(subject.directory, owner, Path(tempfile.gettempdir())).senders():
            if said := _trouble(key, subject.now()):
                yield warning(
                    f"the certificate {key.fingerprint} of tenant {owner} {said}",
                    f"Ask for the present one: `ingester tenant pgp {owner} add FILE`.",
                )
    yield ok(f"gpg has {sum(1 for _ in folder.rglob('*.asc'))} keys")


def _trouble(key: Key, at: datetime) -> str:
    if key.revoked:
        return "was revoked"
    if key.expires is None or key.expires > at + _SOON:
        return ""
    return f"{'expired' if key.expires <= at else 'expires'} on {key.expires:%Y-%m-%d}"
