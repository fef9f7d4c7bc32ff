"""OpenPGP keys and certificates: what one is, and making one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from ingester.domain.errors import InvariantError, UsageError
from ingester.formats.packed.gpg import Gpg

#: Signs and encrypts as RFC 9580 wants it of everybody, and as programs of ten years ago can read it.
_SIGNS, _ENCRYPTS = "ed25519", "cv25519"


@dataclass(frozen=True, slots=True)
class Key:
    """What a key says of itself, as of now: `encrypts` and `signs` are false where it has expired or was revoked."""

    fingerprint: str
    user: str
    created: datetime
    expires: datetime | None
    secret: bool
    revoked: bool
    expired: bool
    encrypts: bool
    signs: bool


def read(gpg: Gpg, given: bytes) -> list[Key]:
    """The keys in a file, in armor or not; nothing is imported."""
    _, listed = gpg.ask("--with-colons", "--show-keys", given=given)
    found: list[dict[str, str]] = []
    for line in listed.decode(errors="replace").splitlines():
        kind, *fields = line.split(":")
        if kind in ("pub", "sec"):
            found.append({"kind": kind, "validity": fields[0], "created": fields[4], "expires": fields[5]})
            found[-1]["can"] = fields[10]
        elif kind in ("fpr", "uid") and found:
            # The first of each is the primary key's; what follows belongs to subkeys and other names.
            found[-1].setdefault(kind, fields[8])
    return [_key(each) for each in found if "fpr" in each]


def make(gpg: Gpg, user: str) -> tuple[str, Key]:
    """A new key without a passphrase that does not expire, in armor."""
    said, _ = gpg.ask("--passphrase=", "--quick-gen-key", user, _SIGNS, "sign", "never")
    made = said.of("KEY_CREATED")
    if made:
        fingerprint = made[0][1]
        said, _ = gpg.ask("--passphrase=", "--quick-add-key", fingerprint, _ENCRYPTS, "encr", "never")
    if not made or said.code:
        raise InvariantError("gpg made no key", code=said.code)
    armored = export(gpg, fingerprint, secret=True)
    return armored, read(gpg, armored.encode())[0]


def export(gpg: Gpg, fingerprint: str, *, secret: bool = False) -> str:
    """A key that was taken, in armor."""
    said, text = gpg.ask("--armor", "--export-secret-keys" if secret else "--export", fingerprint)
    if said.code or not text:
        raise UsageError(f"there is no key {fingerprint}", fix="See what there is with `list`.")
    return text.decode("ascii")


def _key(found: dict[str, str]) -> Key:
    able = found["can"]
    return Key(
        fingerprint=found["fpr"],
        # gpg escapes what would end the field: a colon, a line break.
        user=found.get("uid", "").replace("\\x3a", ":"),
        created=_moment(found["created"]),
        expires=_moment(found["expires"]) if found["expires"] else None,
        secret=found["kind"] == "sec",
        revoked=found["validity"] == "r",
        expired=found["validity"] == "e",
        # In capital letters it says what the key as a whole can still be used for.
        encrypts="E" in able,
        signs="S" in able,
    )


def _moment(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
