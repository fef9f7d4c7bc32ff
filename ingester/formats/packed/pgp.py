"""OpenPGP messages: told from other files, decrypted and verified as a whole before anybody sees them, and encrypted.

A message may be encrypted, signed, compressed, in armor or clear-signed, or several of these. gpg does the work: of the
libraries there are none reads signed messages as a stream and takes those that gpg itself writes.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes

from ingester.domain import notice
from ingester.domain.errors import InvariantError, PermanentError, UnreadableFile
from ingester.domain.size import in_words
from ingester.formats.packed import pgp_key
from ingester.formats.packed.gpg import Gpg, Overgrown, Said, TooMuch

#: As much of a file as `is_pgp` wants to see.
FIRST_BYTES = 64

_SUFFIXES = (".pgp", ".gpg")
_BEGIN, _END = b"-----BEGIN PGP ", b"-----END PGP "
_MESSAGES = (b"-----BEGIN PGP MESSAGE-----", b"-----BEGIN PGP SIGNED MESSAGE-----")
_BOM = b"\xef\xbb\xbf"
#: Tags of packets that a message begins with, and how their bodies begin: with control characters, so that a text in
#: Latin-1 whose first letter has an umlaut is no message.
_OPENINGS = {
    1: (b"\x02", b"\x03", b"\x06"),  # session key, encrypted for a public key
    2: (b"\x03", b"\x04", b"\x06"),  # signature
    3: (b"\x04", b"\x05", b"\x06"),  # session key, encrypted for a passphrase
    4: (b"\x03", b"\x06"),  # one-pass signature
    8: (b"\x01", b"\x02", b"\x03"),  # compressed data
    10: (b"PGP",),  # marker
    18: (b"\x01", b"\x02"),  # encrypted data with integrity
}
#: Of these a message begins with that says that it is signed.
_SIGNED = (2, 4)
_HIDDEN_RECIPIENT = "0" * 16
_NAMED = 5
_NO_PUBLIC_KEY = "9"


@dataclass(frozen=True, slots=True)
class Keyring:
    """What reads a tenant's messages: armored secret keys, and the certificates of those whose signatures count."""

    secrets: tuple[str, ...] = field(default=(), repr=False)
    senders: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Decrypted:
    """What a message was: the name that it gives its content, if any, and whose certificate verified its signature.

    `unverified`: the keys of the signatures that it has where nobody's did, in words.
    """

    name: str | None
    signer: str | None
    unverified: str | None = None


class NoRecipient(PermanentError):
    """There is no certificate that could be encrypted to."""


def is_pgp(first_bytes: bytes, name: str) -> bool:
    """Whether a file is read as OpenPGP: by its first bytes, or since its name says so.

    A file named `.asc` may be anything; what its first bytes are decides.
    """
    text = first_bytes.removeprefix(_BOM).lstrip()
    return name.lower().endswith(_SUFFIXES) or text.startswith(_BEGIN) or _opening(first_bytes) is not None


def decrypt(source: Path, target: Path, keys: Keyring, *, limit_bytes: int, signed: bool) -> Decrypted:
    """Write what a message holds to `target`, which is there only when all of it is verified.

    With `signed` a valid signature of one of the keyring's senders is demanded. Without, a signature that nobody here
    can check counts for nothing and is told, but a wrong one is refused. Raises UnreadableFile (`no_key`, `tampered`,
    `unsigned`, `unknown_signer`, `too_large`, `unreadable_file`).
    """
    tag = _refuse_others(source)
    unseen = target.with_name(f".{target.name}.unverified")
    try:
        with Gpg(target.parent) as gpg:
            gpg.take(keys.secrets)
            senders = gpg.take(keys.senders)
            said = _read(gpg, source, unseen, limit_bytes)
            if tag in _SIGNED and not said.has("NEWSIG"):
                raise _refused("tampered")  # it says that it is signed, and its signature was cut off
            signer = _signer(said, senders)
            unverified = None if signer is not None else _unaccepted(said, senders)
            if signed and signer is None:
                raise _refused("unknown_signer", unverified) if unverified else _refused("unsigned")
            if said.code and said.has("ERRSIG"):
                # That alone makes gpg fail; so it is left out, to see whether anything else does.
                said = _read(gpg, source, unseen, limit_bytes, "--skip-verify")
            if said.code:
                raise _refused("tampered") if said.has("BEGIN_DECRYPTION") else _unreadable("it is broken")
        unseen.rename(target)
    finally:
        unseen.unlink(missing_ok=True)
    return Decrypted(_name(said), signer, unverified)


def encrypt(source: Path, target: Path, certificates: Sequence[str]) -> None:
    """Write `source` to `target`, encrypted for each of the armored certificates that can still be encrypted to.

    NoRecipient if there is none.
    """
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        with Gpg(target.parent) as gpg:
            usable = [each for each in certificates if any(key.encrypts for key in pgp_key.read(gpg, each.encode()))]
            recipients = [f"--recipient={each}" for each in sorted(gpg.take(usable))]
            if not recipients:
                raise NoRecipient
            limit = source.stat().st_size * 2 + (1 << 20)
            # Whoever added them has looked whose they are.
            asked = ("--trust-model=always", "--encrypt", *recipients)
            said = gpg.stream(*asked, source=source, target=unfinished, limit_bytes=limit)
            if said.code or not said.has("END_ENCRYPTION"):
                raise InvariantError("gpg did not encrypt for keys that it says it can encrypt for")
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)


# --- what a file is -------------------------------------------------------------------------------------------------


def _opening(first: bytes) -> int | None:
    """The tag of the packet that the first bytes are, if a message begins with such (RFC 9580, section 4.2)."""
    if len(first) < 6 or not first[0] & 0x80:
        return None
    if first[0] & 0x40:
        tag, length = first[0] & 0x3F, first[1]
        # One octet; two; five; or one that says how long the first part is.
        header = 2 if length < 192 else 3 if length < 224 else 6 if length == 255 else 2
    else:
        tag, header = first[0] >> 2 & 0x0F, (2, 3, 5, 1)[first[0] & 3]
    return tag if first[header:].startswith(_OPENINGS.get(tag, ())) else None


def _refuse_others(source: Path) -> int | None:
    """Refuse keys and detached signatures, and armor with something before or behind it: nobody would read that.

    Returns the tag of the first packet where there is no armor, which alone shows by itself that it was cut off.
    """
    with source.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise UnreadableFile("empty_file", notice.message("empty_file"))
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            first = content[: 1 << 10].removeprefix(_BOM).lstrip()
            if not first.startswith(_BEGIN):
                if not content[0] & 0x80:
                    raise _unreadable("its name says that it is a PGP message, and it is none")
                return _opening(first)
            if not first.startswith(_MESSAGES):
                what = first[len(_BEGIN) :].partition(b"-----")[0][:40].decode("ascii", "replace")
                raise _unreadable(f"it is a PGP {what.lower()}, not a message")
            end = content.find(b"\n" + _END)
            if end < 0:
                raise _unreadable("it is cut off")
            line = content.find(b"\n", end + 1)
            if line >= 0 and _says_more(content, line):
                raise _unreadable("something follows the PGP message")
    return None


def _says_more(content: mmap.mmap, at: int) -> bool:
    """Whether anything but blank space follows."""
    return any(content[start : start + (1 << 20)].strip() for start in range(at, len(content), 1 << 20))


# --- what gpg says of it --------------------------------------------------------------------------------------------


def _read(gpg: Gpg, source: Path, target: Path, limit_bytes: int, *options: str) -> Said:
    """Decrypt as far as it goes, and refuse what failed for whatever it was; `target` is not to be trusted yet."""
    try:
        said = gpg.stream(*options, "--decrypt", source=source, target=target, limit_bytes=limit_bytes)
    except TooMuch:
        raise _refused("too_large", f"it unpacks to over {in_words(limit_bytes)}") from None
    except Overgrown:
        raise _unreadable("it has too many parts") from None
    if said.has("BADSIG"):
        raise _refused("tampered")
    if said.has("ENC_TO", "NEED_PASSPHRASE_SYM", "BEGIN_DECRYPTION", "DECRYPTION_FAILED"):
        opened = said.of("DECRYPTION_INFO")
        if not opened and not said.has("DECRYPTION_OKAY"):
            raise _refused("no_key", _recipients(said))
        # Neither a hash of it nor authenticated encryption: whatever was done to it, nobody could tell.
        if not said.has("DECRYPTION_OKAY") or any(line[0] == "0" and line[2:3] in ((), ("0",)) for line in opened):
            raise _refused("tampered")
    if len(said.of("PLAINTEXT")) != 1:
        raise _unreadable("it holds more than one message" if said.has("PLAINTEXT") else "it is no whole PGP message")
    return said


def _signer(said: Said, senders: frozenset[str]) -> str | None:
    """Whose certificate verified a signature that is good today."""
    return next((print_ for kind, print_ in _signatures(said) if kind == "GOODSIG" and print_ in senders), None)


def _signatures(said: Said) -> list[tuple[str, str]]:
    """What there was of each signature that could be checked, and the fingerprint of its certificate."""
    found, kind = [], ""
    for word, *rest in said.lines:
        if word in _UNACCEPTED or word == "GOODSIG":
            kind = word
        elif word == "VALIDSIG":
            found.append((kind, rest[9] if len(rest) > 9 else rest[0]))
    return found


_UNACCEPTED = {
    "EXPSIG": "the signature has expired",
    "EXPKEYSIG": "the key has expired",
    "REVKEYSIG": "the key was revoked",
}


def _unaccepted(said: Said, senders: frozenset[str]) -> str | None:
    """Whose signatures there are that do not count, in words; None where there are none."""
    for kind, fingerprint in _signatures(said):
        if fingerprint in senders:
            return f"{fingerprint} ({_UNACCEPTED.get(kind, 'it is not valid')})"
    unknown = [*(print_ for _, print_ in _signatures(said)), *(line[0] for line in said.of("ERRSIG"))]
    return ", ".join(unknown[:_NAMED]) or None


def _recipients(said: Said) -> str:
    """The keys that a message is for, as senders know them: the last digits of their fingerprints."""
    keys = list(dict.fromkeys(line[0] for line in said.of("ENC_TO")))
    named = ["a hidden recipient" if key == _HIDDEN_RECIPIENT else key for key in keys[:_NAMED]]
    if len(keys) > _NAMED:
        named.append(f"{len(keys) - _NAMED} more")
    return ", ".join(named) or "a passphrase"


def _name(said: Said) -> str | None:
    """The name of the content: without folders, and none that is only a mark of the format."""
    (line,) = said.of("PLAINTEXT")
    name = unquote_to_bytes(" ".join(line[2:])).decode(errors="replace").replace("\\", "/").rpartition("/")[2]
    return None if name in ("", "_CONSOLE", ".", "..") else name


def _refused(code: str, expected: str = "") -> UnreadableFile:
    return UnreadableFile(code, notice.message(code, expected=expected))


def _unreadable(reason: str) -> UnreadableFile:
    return _refused("unreadable_file", reason)
