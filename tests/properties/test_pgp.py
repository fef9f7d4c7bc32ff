"""Whatever happens to a message on its way, it is read as it was written or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingester.domain.errors import UnreadableFile
from ingester.formats.packed import pgp
from ingester.formats.packed.pgp import Keyring
from tests.openpgp import Person

pytestmark = pytest.mark.needs("gpg")

DATA = b"id,name\n" + b"".join(b"%d,name %d\n" % (row, row * 7919) for row in range(40))
WRITTEN = {
    "encrypted": ("--encrypt",),
    "encrypted, not packed": ("--encrypt", "--compress-algo=none"),
    "encrypted and armored": ("--encrypt", "--armor"),
    "signed and encrypted": ("--sign", "--encrypt"),
    "signed": ("--sign",),
    "signed, not packed": ("--sign", "--compress-algo=none"),
    "clear-signed": ("--clear-sign",),
}


class Letter:
    """A message and who can read it."""

    def __init__(self, folder: Path, message: bytes, keys: Keyring, *, signed: bool) -> None:
        self.folder = folder
        self.message = message
        self._keys = keys
        self._signed = signed

    def read(self, message: bytes) -> bytes | None:
        """What is read of it; None if it is refused."""
        source, target = self.folder / "message", self.folder / "plain"
        source.write_bytes(message)
        try:
            pgp.decrypt(source, target, self._keys, limit_bytes=1 << 20, signed=self._signed)
        except UnreadableFile:
            assert [path.name for path in self.folder.iterdir()] == ["message"]
            return None
        content = target.read_bytes()
        target.unlink()
        return content


@pytest.fixture(scope="module", params=WRITTEN)
def letter(request: pytest.FixtureRequest) -> Iterator[Letter]:
    how = WRITTEN[request.param]
    with tempfile.TemporaryDirectory() as folder, Person("us") as us, Person("acme") as acme:
        message = acme.writes(DATA, *how, to=(us,) if "--encrypt" in how else ())
        keys = Keyring(secrets=(us.secret,), senders=(acme.public,))
        yield Letter(Path(folder), message, keys, signed="--encrypt" not in how or "--sign" in how)


@settings(max_examples=30)
@given(place=st.floats(0, 1, exclude_max=True), flipped=st.integers(1, 255))
@example(place=0.0, flipped=1)
def test_a_message_with_a_changed_byte_is_never_read_as_another(letter: Letter, place: float, flipped: int) -> None:
    changed = bytearray(letter.message)
    changed[int(place * len(changed))] ^= flipped
    assert _same(letter.read(bytes(changed)))


@settings(max_examples=12)
@given(place=st.floats(0, 1, exclude_max=True))
def test_a_message_that_was_cut_off_is_never_read_in_part(letter: Letter, place: float) -> None:
    assert _same(letter.read(letter.message[: int(place * len(letter.message))]))


@settings(max_examples=12)
@given(place=st.floats(0, 1), added=st.binary(min_size=1, max_size=40))
def test_a_message_with_something_in_between_is_never_read_as_another(
    letter: Letter, place: float, added: bytes
) -> None:
    at = int(place * len(letter.message))
    assert _same(letter.read(letter.message[:at] + added + letter.message[at:]))


def _same(content: bytes | None) -> bool:
    """Nothing, or what was written; blanks at the ends of lines are no part of what a clear signature signs."""
    return content is None or _lines(content) == _lines(DATA)


def _lines(content: bytes) -> list[bytes]:
    return [line.rstrip(b" \t\r") for line in content.rstrip().split(b"\n")]
