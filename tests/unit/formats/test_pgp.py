"""OpenPGP messages: what is one, what is in it, and that nothing is there until all of it is verified."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pysequoia
import pytest

from ingester.domain.errors import UnreadableFile
from ingester.formats.opening import open_drop
from ingester.formats.packed import gpg, pgp
from ingester.formats.packed.pgp import Keyring, is_pgp
from ingester.store.database import now
from tests.openpgp import Person

pytestmark = pytest.mark.needs("gpg")

DATA = b"id,name\n" + b"".join(b"%d,name %d\n" % (row, row * 7919) for row in range(200))
LIMIT = 1 << 20


@pytest.fixture(scope="module")
def us() -> Iterator[Person]:
    with Person("us") as person:
        yield person


@pytest.fixture(scope="module")
def acme() -> Iterator[Person]:
    with Person("acme") as person:
        yield person


@pytest.fixture(scope="module")
def other() -> Iterator[Person]:
    with Person("other") as person:
        yield person


class Reader:
    """Decrypts in a folder of its own, and sees to it that nothing else stays there."""

    def __init__(self, folder: Path, keys: Keyring) -> None:
        self.folder = folder
        self.keys = keys

    def read(self, message: bytes, *, signed: bool = False, limit: int = LIMIT, keys: Keyring | None = None) -> bytes:
        self.found = self._decrypt(message, signed, limit, keys)
        assert stat.S_IMODE((self.folder / "plain").stat().st_mode) == 0o600
        content = (self.folder / "plain").read_bytes()
        (self.folder / "plain").unlink()
        return content

    def refusal(
        self, message: bytes, *, signed: bool = False, limit: int = LIMIT, keys: Keyring | None = None
    ) -> UnreadableFile:
        with pytest.raises(UnreadableFile) as caught:
            self._decrypt(message, signed, limit, keys)
        return caught.value

    def _decrypt(self, message: bytes, signed: bool, limit: int, keys: Keyring | None) -> pgp.Decrypted:
        (self.folder / "message").write_bytes(message)
        try:
            return pgp.decrypt(
                self.folder / "message", self.folder / "plain", keys or self.keys, limit_bytes=limit, signed=signed
            )
        finally:
            assert {path.name for path in self.folder.iterdir()} <= {"message", "plain"}


@pytest.fixture
def reader(tmp_path: Path, us: Person, acme: Person) -> Reader:
    folder = tmp_path / "work"
    folder.mkdir()
    return Reader(folder, Keyring(secrets=(us.secret,), senders=(acme.public,)))


# --- what is read ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "how",
    [
        ("--encrypt",),
        ("--encrypt", "--armor"),
        ("--encrypt", "--compress-algo=none"),
        ("--encrypt", "--compress-algo=zip"),
        ("--encrypt", "--compress-algo=zlib"),
        ("--encrypt", "--compress-algo=bzip2"),
        ("--encrypt", "--throw-keyids"),
        ("--encrypt", "--textmode"),
    ],
    ids=" ".join,
)
def test_what_gpg_encrypts_is_read(reader: Reader, acme: Person, us: Person, how: tuple[str, ...]) -> None:
    message = acme.writes(DATA, *how, to=(us,))
    assert is_pgp(message[: pgp.FIRST_BYTES], "customers.csv")
    assert reader.read(message) == DATA
    assert reader.found == pgp.Decrypted(name=None, signer=None)


@pytest.mark.parametrize(
    "how",
    [
        ("--sign", "--encrypt"),
        ("--sign", "--encrypt", "--armor"),
        ("--sign",),
        ("--sign", "--armor"),
        ("--sign", "--compress-algo=none"),
        ("--clear-sign",),
    ],
    ids=" ".join,
)
def test_what_a_known_sender_signed_is_read_where_a_signature_is_demanded(
    reader: Reader, acme: Person, us: Person, how: tuple[str, ...]
) -> None:
    message = acme.writes(DATA, *how, to=(us,) if "--encrypt" in how else ())
    assert is_pgp(message[: pgp.FIRST_BYTES], "customers.csv")
    assert reader.read(message, signed=True) == DATA
    assert reader.found.signer == acme.key.fingerprint


def test_what_is_only_packed_or_armored_is_read(reader: Reader, acme: Person) -> None:
    for how in ((), ("--armor",), ("--compress-algo=none",)):
        assert reader.read(acme.writes(DATA, "--store", *how)) == DATA


def test_what_sequoia_writes_is_read(reader: Reader, acme: Person, us: Person) -> None:
    recipient, signer = pysequoia.Cert.from_bytes(us.public.encode()), pysequoia.Tsk.from_bytes(acme.secret.encode())
    for armor in (True, False):
        assert reader.read(pysequoia.encrypt(DATA, [recipient], signer.signer(), armor=armor), signed=True) == DATA
        assert reader.read(pysequoia.sign(signer.signer(), DATA, armor=armor), signed=True) == DATA


def test_one_of_several_recipients_reads_it(reader: Reader, acme: Person, us: Person, other: Person) -> None:
    assert reader.read(acme.writes(DATA, "--encrypt", to=(other, us))) == DATA


def test_an_older_key_goes_on_reading(reader: Reader, acme: Person, us: Person, other: Person) -> None:
    both = Keyring(secrets=(other.secret, us.secret))
    assert reader.read(acme.writes(DATA, "--encrypt", to=(us,)), keys=both) == DATA
    assert reader.read(acme.writes(DATA, "--encrypt", to=(other,)), keys=both) == DATA


def test_the_name_in_the_message_is_told_without_its_folders(reader: Reader, acme: Person, us: Person) -> None:
    reader.read(acme.writes(DATA, "--encrypt", "--set-filename=../../etc/kunden 1%2f.csv", to=(us,)))
    assert reader.found.name == "kunden 1%2f.csv"


def test_a_deep_folder_is_no_hindrance(tmp_path: Path, us: Person, acme: Person) -> None:
    folder = tmp_path / ("deep" * 30) / ("deeper" * 20)
    folder.mkdir(parents=True)
    assert Reader(folder, Keyring((us.secret,))).read(acme.writes(DATA, "--encrypt", to=(us,))) == DATA


# --- what is refused ------------------------------------------------------------------------------------------------
def test_a_message_for_other_keys_is_refused_and_names_them(reader: Reader, acme: Person, other: Person) -> None:
    error = reader.refusal(acme.writes(DATA, "--encrypt", to=(other, acme)))
    assert error.code == "no_key"
    keys = error.reason.rpartition(": ")[2].split(", ")
    assert len(keys) == 2
    assert all(len(bytes.fromhex(key)) == 8 for key in keys)
    assert reader.refusal(acme.writes(DATA, "--encrypt", to=(other,)), keys=Keyring()).code == "no_key"


def test_a_message_for_a_passphrase_or_a_hidden_recipient_is_refused(
    reader: Reader, acme: Person, other: Person
) -> None:
    error = reader.refusal(acme.writes(DATA, "--symmetric", "--pinentry-mode=loopback", "--passphrase=secret"))
    assert (error.code, error.reason.endswith("a passphrase")) == ("no_key", True)
    error = reader.refusal(acme.writes(DATA, "--encrypt", "--throw-keyids", to=(other,)))
    assert (error.code, error.reason.endswith("a hidden recipient")) == ("no_key", True)


def test_an_unsigned_message_is_refused_where_a_signature_is_demanded(reader: Reader, acme: Person, us: Person) -> None:
    for message in (acme.writes(DATA, "--encrypt", to=(us,)), acme.writes(DATA, "--store")):
        assert reader.refusal(message, signed=True).code == "unsigned"


def test_a_signature_of_somebody_else_counts_for_nothing(reader: Reader, us: Person, other: Person) -> None:
    for signer in (other, us):  # ours as well: whoever has our key has it for reading
        message = signer.writes(DATA, "--sign", "--encrypt", to=(us,))
        assert reader.refusal(message, signed=True).code == "unknown_signer"
        assert reader.read(message) == DATA
        assert (reader.found.signer, reader.found.unverified is None) == (None, False)


def test_a_signature_that_nobody_knows_is_told_and_none_at_all_is_not(
    us: Person, acme: Person, other: Person, tmp_path: Path
) -> None:
    def remarks(message: bytes) -> list[tuple[str, str]]:
        path, workspace = tmp_path / "said.csv.pgp", Path(tempfile.mkdtemp(dir=tmp_path))
        path.write_bytes(message)
        opened = open_drop(path, path.name, workspace, keys=lambda: Keyring((us.secret,), (acme.public,)))
        return [(remark.code, remark.expected) for remark in opened.remarks]

    ((code, said),) = remarks(other.writes(DATA, "--sign", "--encrypt", to=(us,)))
    assert code == "unverified_signature"
    assert said == other.key.fingerprint[-16:].upper()
    assert remarks(acme.writes(DATA, "--sign", "--encrypt", to=(us,))) == []
    assert remarks(acme.writes(DATA, "--encrypt", to=(us,))) == []


def test_a_signature_of_an_expired_or_revoked_key_counts_for_nothing(reader: Reader, acme: Person, us: Person) -> None:
    key = pysequoia.Tsk.from_bytes(acme.secret.encode())
    message = acme.writes(DATA, "--sign", "--encrypt", to=(us,))
    certificate = key.extract_certificate()
    expired = certificate.set_expiration(acme.key.created + timedelta(seconds=1), key.certifier())
    revoked = pysequoia.Cert.from_bytes(bytes(certificate) + bytes(certificate.revoke(key.certifier())))
    while now() < acme.key.created + timedelta(seconds=2):
        pass
    for changed, said in ((expired, "expired"), (revoked, "revoked")):
        error = reader.refusal(message, signed=True, keys=Keyring((us.secret,), (str(changed),)))
        assert error.code == "unknown_signer"
        assert acme.key.fingerprint in error.reason
        assert said in error.reason


def test_a_message_that_was_changed_is_refused_whether_or_not_a_signature_is_demanded(
    reader: Reader, acme: Person, us: Person
) -> None:
    clear = acme.writes(DATA, "--clear-sign").replace(b"name 7919\n", b"name 7918\n")
    assert reader.refusal(clear).code == "tampered"
    encrypted = bytearray(acme.writes(DATA, "--encrypt", to=(us,)))
    encrypted[-40] ^= 1
    assert reader.refusal(bytes(encrypted)).code == "tampered"


def test_a_message_without_integrity_is_refused(reader: Reader, acme: Person, us: Person) -> None:
    message = acme.writes(DATA, "--encrypt", "--rfc2440", "--disable-mdc", "--cipher-algo=AES", to=(us,))
    assert reader.refusal(message).code == "tampered"


def test_a_message_whose_signature_was_cut_off_is_refused(reader: Reader, acme: Person) -> None:
    message = acme.writes(DATA, "--sign", "--compress-algo=none")
    for cut in range(1, 140, 4):
        assert reader.refusal(message[:-cut]).code in ("tampered", "unreadable_file")


def test_nothing_may_stand_behind_a_message(reader: Reader, acme: Person, us: Person) -> None:
    binary, armored = (acme.writes(DATA, "--encrypt", *how, to=(us,)) for how in ((), ("--armor",)))
    clear = acme.writes(DATA, "--clear-sign")
    for message in (binary + binary, binary + b"1,x\n", armored + armored, armored + b"1,x\n", clear + b"1,x\n"):
        assert reader.refusal(message).code in ("tampered", "unreadable_file")
    assert reader.read(armored + b"\r\n \n") == DATA


def test_keys_and_signatures_are_no_messages(reader: Reader, acme: Person) -> None:
    for file in (acme.public.encode(), acme.writes(DATA, "--detach-sign", "--armor"), b"id,name\n1,x\n", b"\xa3\x01"):
        assert reader.refusal(file).code == "unreadable_file"
    assert reader.refusal(b"").code == "empty_file"


# --- what is bounded ------------------------------------------------------------------------------------------------
def test_a_bomb_is_stopped_where_it_is_over_the_limit(reader: Reader, acme: Person, us: Person) -> None:
    message = acme.writes(bytes(200 << 20), "--encrypt", to=(us,))
    assert len(message) < 1 << 20
    assert reader.refusal(message, limit=1 << 20).code == "too_large"
    assert reader.read(acme.writes(bytes(1 << 20), "--encrypt", to=(us,)), limit=1 << 20) == bytes(1 << 20)


def packet(tag: int, body: bytes) -> bytes:
    return bytes((0xC0 | tag, 0xFF)) + struct.pack(">I", len(body)) + body


def packed(*chunks: bytes) -> bytes:
    work = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"\xa3\x01" + b"".join(map(work.compress, chunks)) + work.flush()


@pytest.mark.parametrize(
    "piece",
    [
        packet(1, b"\x03" + b"B" * 8 + b"\x01\x00\x08\xff"),
        packet(2, b"\x04\x00\x16\x08\x00\x00\x00\x0a\x09\x10" + b"A" * 8 + b"\x00\x00" + b"\x00\x01\x01" * 2),
        packet(4, b"\x03\x00\x08\x01" + b"A" * 8 + b"\x00"),
    ],
    ids=["recipients", "signatures", "announced signatures"],
)
def test_a_message_of_a_million_parts_is_stopped(reader: Reader, monkeypatch: pytest.MonkeyPatch, piece: bytes) -> None:
    monkeypatch.setattr(gpg, "_START_SECONDS", 1.0)
    message = packed(*[piece * 10_000] * 100, packet(11, b"b\x01x\0\0\0\0id\n1\n"))
    assert len(message) < 100_000
    assert reader.refusal(message).code == "unreadable_file"


def test_layers_upon_layers_are_refused(reader: Reader) -> None:
    message = packet(11, b"b\x01x\0\0\0\0id\n1\n")
    assert reader.read(packed(message)) == b"id\n1\n"
    for _ in range(40):
        message = packed(message)
    assert reader.refusal(message).code == "unreadable_file"


def test_no_agent_stays(reader: Reader, acme: Person, us: Person) -> None:
    reader.read(acme.writes(DATA, "--encrypt", to=(us,)))
    mine = f"/proc/{os.getpid()}/fd/".encode()
    for _ in range(100):
        if not any(mine in line and b"gpg-agent" in line for line in _commands()):
            return
        subprocess.run(["sleep", "0.05"], check=True)
    pytest.fail("an agent is still there")


def _commands() -> Iterator[bytes]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield (process / "cmdline").read_bytes()
        except OSError:
            continue


# --- telling them from other files ----------------------------------------------------------------------------------
def test_a_file_is_told_by_its_name_or_its_first_bytes() -> None:
    assert is_pgp(b"id,name\n", "a.csv.PGP")
    assert is_pgp(b"id,name\n", "a.gpg")
    assert is_pgp(b"\xef\xbb\xbf\r\n-----BEGIN PGP MESSAGE-----", "a.csv")
    assert not is_pgp(b"id,name\n", "a.asc")
    assert not is_pgp(b"", "a.csv")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8", "utf-8-sig", "utf-16", "shift-jis", "koi8-r"])
def test_a_text_with_letters_beyond_ascii_is_no_message(encoding: str) -> None:
    for letter in map(chr, range(0x80, 0x3100)):
        for rest in ("nderung;Name\r\n1;x", ",b,c\n", "\t\t1\n", "\n1\n2\n"):
            encoded = (letter + rest).encode(encoding, "ignore")
            assert not is_pgp(encoded, "a.csv"), encoded


# --- encrypting -----------------------------------------------------------------------------------------------------
@pytest.fixture
def encrypted(tmp_path: Path) -> Callable[..., bytes]:
    def make(*certificates: str) -> bytes:
        (tmp_path / "plain").write_bytes(DATA)
        pgp.encrypt(tmp_path / "plain", tmp_path / "out.pgp", certificates)
        assert {path.name for path in tmp_path.iterdir()} == {"plain", "out.pgp"}
        return (tmp_path / "out.pgp").read_bytes()

    return make


def test_each_recipient_reads_what_was_encrypted(encrypted: Callable[..., bytes], acme: Person, tmp_path: Path) -> None:
    theirs = pysequoia.Tsk.generate("them <them@example.com>")
    message = encrypted(acme.public, str(theirs.extract_certificate()))
    assert pysequoia.decrypt(message, theirs.decryptor()).bytes == DATA
    assert acme.writes(message, "--decrypt") == DATA


def test_a_certificate_that_cannot_be_encrypted_to_is_left_out(
    encrypted: Callable[..., bytes], acme: Person, tmp_path: Path
) -> None:
    key = pysequoia.Tsk.generate("gone <gone@example.com>")
    certificate = key.extract_certificate()
    revoked = str(pysequoia.Cert.from_bytes(bytes(certificate) + bytes(certificate.revoke(key.certifier()))))
    assert acme.writes(encrypted(revoked, acme.public), "--decrypt") == DATA
    (tmp_path / "out.pgp").unlink()
    for certificates in ((revoked,), ()):
        with pytest.raises(pgp.NoRecipient):
            encrypted(*certificates)
        assert {path.name for path in tmp_path.iterdir()} == {"plain"}
