"""Checks of OpenPGP keys: gpg is there, can read them, and no certificate runs out unnoticed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta

from ingester.doctor.finding import Finding, ok, warning, wrong
from ingester.doctor.subject import Subject
from ingester.keyring import SERVER, Keys

#: Time enough to ask a customer for a new certificate.
_SOON = timedelta(days=30)


def keys(subject: Subject) -> Iterator[Finding]:
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
    owners = [SERVER, *(path.name for path in sorted((folder / "tenants").glob("*")))]
    count = 0
    for owner in owners:
        held = Keys(subject.directory, owner)
        for key in held.senders():
            count += 1
            if key.revoked or key.expired or (key.expires is not None and key.expires < subject.now() + _SOON):
                state = (
                    "was revoked"
                    if key.revoked
                    else f"{'expired' if key.expired else 'expires'} {key.expires:%Y-%m-%d}"
                )
                yield warning(
                    f"the certificate {key.fingerprint} of tenant {owner} {state}",
                    f"Ask for the present one: `ingester tenant pgp {owner} add FILE`.",
                )
        count += len(held.own())
    yield ok(f"gpg reads {count} keys")
