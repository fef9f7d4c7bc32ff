"""People who use OpenPGP: each has a key of gpg's own making, in a home of its own, and writes messages with gpg."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Self

from ingester.formats.packed import pgp_key
from ingester.formats.packed.gpg import Gpg
from tests.scratch import scratch_root


class Person:
    """Somebody with a key, who can be used in a `with`: afterwards home and agent are gone."""

    def __init__(self, name: str) -> None:
        # Its path must be short: the agent's sockets are in it.
        self._home = tempfile.TemporaryDirectory(prefix=name, dir=scratch_root(), ignore_cleanup_errors=True)
        with Gpg(Path(self._home.name)) as gpg:
            self.secret, self.key = pgp_key.make(gpg, f"{name} <{name}@example.com>")
            gpg.take([self.secret])
            self.public = pgp_key.export(gpg, self.key.fingerprint)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["gpgconf", "--homedir", self._home.name, "--kill", "all"], check=False)
        self._home.cleanup()

    def writes(self, data: bytes, *arguments: str, to: tuple[Person, ...] = ()) -> bytes:
        """What gpg makes of data; it signs with the person's key where it is told to sign."""
        for each in (self, *to):
            self._knows(each)
        recipients = [f"--recipient={each.key.fingerprint}" for each in to]
        return self._gpg(data, *arguments, *recipients)

    def _knows(self, person: Person) -> None:
        if person.key.fingerprint not in self._known:
            self._gpg((person.secret if person is self else person.public).encode(), "--import")
            self._known.add(person.key.fingerprint)

    @cached_property
    def _known(self) -> set[str]:
        return set()

    def _gpg(self, data: bytes, *arguments: str) -> bytes:
        command = ["gpg", "--homedir", self._home.name, "--batch", "--no-tty", "--trust-model=always", "--quiet"]
        done = subprocess.run([*command, *arguments], input=data, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout
