"""Secrets of targets: read where the operator keeps them, at the moment they are needed, and never shown whole."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from ingester.domain.errors import TransientError

_MOST_BYTES = 4096
#: As the Standard Webhooks specification writes a key.
_PREFIX = "whsec_"


def is_reference(text: str) -> bool:
    """Whether a text says where a secret is, rather than being one."""
    return text.startswith(("env:", "file:/", "kept:"))


def read(reference: str, folder: Path) -> str:
    """What `env:NAME`, `file:/PATH` or `kept:NAME` (in `folder`) holds.

    TransientError if there is nothing: an operator may yet put it there.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environ.get(name, "")
    else:
        path = Path(name) if kind == "file" else folder / name
        try:
            with path.open("rb") as file:
                value = file.read(_MOST_BYTES).decode()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise TransientError(f"the secret {reference} cannot be read: {why}") from None
    if not value.strip():
        raise TransientError(f"the secret {reference} is empty", fix="The service must see it, not only your shell.")
    return value.strip()


def keep(folder: Path, name: str) -> str:
    """Make a key, keep it in `folder` where only the service reads it, and return it."""
    made = _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 -- a mode of its own
        file.write(made + "\n")
        file.flush()
        os.fsync(file.fileno())
    return made


def key(text: str) -> bytes:
    """The bytes that sign: of `whsec_…` what its base64 means, of any other text the text itself."""
    if not text.startswith(_PREFIX):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except ValueError:
        raise TransientError("a secret that begins with whsec_ goes on in base64") from None


def masked(address: str) -> str:
    """An address as it may be shown: of URLs the host of a webhook, else no more than the scheme."""
    if is_reference(address) or address.startswith("mailto:"):
        return address
    scheme, separator, _ = address.partition("://")
    if not separator:
        return "***"
    if scheme not in ("https", "http"):
        return f"{scheme}://***"
    parts = urlsplit(address)
    rest = "/***" if parts.path.strip("/") or parts.query else ""
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}{rest}"
