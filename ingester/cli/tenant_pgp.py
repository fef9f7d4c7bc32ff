"""`ingester tenant pgp …`: OpenPGP keys that files are encrypted and signed with."""

from __future__ import annotations

import socket
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingester.cli.options import DataDir, Json, opened, print_json, print_table
from ingester.domain.errors import UsageError

if TYPE_CHECKING:
    from ingester.formats.packed.pgp_key import Key
    from ingester.keyring import Keys

EXAMPLES = (
    "Examples: `ingester tenant pgp acme make` · `ingester tenant pgp acme show > to-acme.asc` · "
    "`ingester tenant pgp acme add from-acme.asc` · `ingester tenant pgp acme list` · "
    "`ingester tenant pgp acme remove FINGERPRINT` · `ingester tenant pgp '*' make`"
)


class _Verb(StrEnum):
    MAKE = "make"
    SHOW = "show"
    ADD = "add"
    LIST = "list"
    REMOVE = "remove"


def pgp(
    name: Annotated[
        str, typer.Argument(metavar="T", help="The tenant; `'*'` is the server, whose key is for tenants without one.")
    ],
    verb: Annotated[_Verb, typer.Argument(help="What to do.")],
    what: Annotated[
        str | None, typer.Argument(help="A certificate to add, in a file; or the fingerprint of a key to remove.")
    ] = None,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Make another key; the old one goes on reading what was encrypted for it.")
    ] = False,
    fingerprint: Annotated[bool, typer.Option("--fingerprint", help="Show the fingerprint, not the key.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Make the OpenPGP key that a customer encrypts for, show it, add certificates of the customer, list and remove.

    Signatures by a certificate that was added count, and outbox files are encrypted for it. Keys have no passphrase: a
    service could not ask for it. They are kept in the data directory's folder `pgp`; without them nobody reads files
    that were encrypted for them.
    """
    from ingester.keyring import SERVER, Keys
    from ingester.store.database import now

    with opened(data_dir) as site:
        if name != SERVER:
            site.tenants.get(name)
        keys = Keys(site.directory, name)
        if verb is _Verb.LIST:
            _list(keys, as_json)
        elif verb is _Verb.SHOW:
            _show(keys if name == SERVER or keys.own() else Keys(site.directory, SERVER), name, fingerprint)
        elif verb is _Verb.MAKE:
            user = f"{'ingester' if name == SERVER else name}@{socket.gethostname()}"
            made = keys.make(user, rotate=rotate)
            typer.echo(f"key {made.fingerprint} of {user} made, without a passphrase")
            typer.echo(f"next: ingester tenant pgp {_quoted(name)} show > public.asc, and send it to the customer")
        elif what is None:
            example = "FILE" if verb is _Verb.ADD else "FINGERPRINT"
            raise UsageError(
                f"what is to be {'added' if verb is _Verb.ADD else 'removed'}?",
                fix=f"Say: ingester tenant pgp {_quoted(name)} {verb} {example}",
            )
        elif verb is _Verb.ADD:
            added = keys.add(_contents(Path(what)), now())
            typer.echo(f"certificate {added.fingerprint} {added.user} is now a sender's of tenant '{name}'")
            if not added.encrypts:
                typer.echo("it can only sign: outbox files are not encrypted for it")
        else:
            keys.remove(what)
            typer.echo(f"key {what} removed")


def _show(keys: Keys, name: str, fingerprint: bool) -> None:
    try:
        key, text = keys.public()
    except UsageError as error:
        raise UsageError(error.message, fix=f"Make one: ingester tenant pgp {_quoted(name)} make") from None
    typer.echo(key.fingerprint if fingerprint else text, nl=fingerprint)


def _list(keys: Keys, as_json: bool) -> None:
    found = [_described("own", key) for key in keys.own()] + [_described("sender", key) for key in keys.senders()]
    if as_json:
        print_json(found)
        return
    print_table(
        ("kind", "fingerprint", "user", "made", "expires", "state"),
        [
            (
                each["kind"],
                each["fingerprint"],
                each["user"],
                each["created_at"][:10],
                (each["expires_at"] or "")[:10],
                each["state"],
            )
            for each in found
        ],
    )


def _described(kind: str, key: Key) -> dict[str, Any]:
    from ingester.outbox import status

    return {
        "kind": kind,
        "fingerprint": key.fingerprint,
        "user": key.user,
        "created_at": status.moment(key.created),
        "expires_at": status.moment(key.expires),
        "state": "revoked" if key.revoked else "expired" if key.expired else "valid",
        "encrypts": key.encrypts,
        "signs": key.signs,
    }


def _contents(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"the key file {file} cannot be read: {error.strerror}") from None


def _quoted(name: str) -> str:
    return f"'{name}'" if name == "*" else name
