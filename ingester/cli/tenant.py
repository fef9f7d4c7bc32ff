"""`ingester tenant …`: customers and the SSH keys they log in with."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingester.cli import tenant_pgp
from ingester.cli.options import DataDir, Json, opened, print_json, print_table
from ingester.domain.errors import UsageError
from ingester.domain.status import CompleteOn

if TYPE_CHECKING:
    from ingester.store.ledger_tables import Tenant, TenantKey

app = typer.Typer(no_args_is_help=True, help="Add, show and remove customers and their keys.")
app.command("pgp", epilog=tenant_pgp.EXAMPLES)(tenant_pgp.pgp)

_Name = Annotated[str, typer.Argument(metavar="T", help="The tenant's name, which is also its SFTP login.")]


@app.command(epilog="Examples: `ingester tenant add acme` · `ingester tenant add acme --catalogue field_service`")
def add(
    name: _Name,
    catalogue: Annotated[
        list[str] | None, typer.Option(help="A catalogue it may send; repeat for more. Default: every one there is.")
    ] = None,
    timezone: Annotated[str, typer.Option(help="For times without an offset, such as Europe/Berlin.")] = "UTC",
    data_dir: DataDir = None,
) -> None:
    """Add a customer with its inbox, outbox, archive and docs."""
    from ingester.tenancy import prepare_tenant

    with opened(data_dir) as site:
        known = site.rules.catalogues
        for wanted in catalogue or ():
            if wanted not in known:
                raise UsageError(f"there is no catalogue '{wanted}'", fix=f"There are: {', '.join(known)}.")
        tenant = site.tenants.add(name, catalogue or list(known), timezone)
        prepare_tenant(site.directory, site.router, tenant)
        typer.echo(f"tenant '{name}' added; next: ingester tenant key {name} add id_ed25519.pub")


@app.command("list")
def list_tenants(data_dir: DataDir = None, as_json: Json = False) -> None:
    """List the customers."""
    with opened(data_dir) as site:
        found = [_described(tenant, site.tenants.keys(tenant.name)) for tenant in site.tenants.all()]
    if as_json:
        print_json(found)
        return
    print_table(
        ("tenant", "catalogues", "timezone", "keys", "starts"),
        [
            (
                each["name"],
                ", ".join(each["catalogues"]),
                each["timezone"],
                str(len(each["keys"])),
                "" if each["paused_at"] is None else "paused",
            )
            for each in found
        ],
    )


@app.command()
def show(name: _Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show one customer, its folders and its keys."""
    with opened(data_dir) as site:
        found = _described(site.tenants.get(name), site.tenants.keys(name))
        found["folder"] = str(site.directory.tenant(name).root.absolute())
    if as_json:
        print_json(found)
        return
    for key in ("name", "timezone", "folder", "weight", "concurrency", "settle_seconds", "paused_at"):
        typer.echo(f"{key}: {'-' if found[key] is None else found[key]}")
    typer.echo(f"catalogues: {', '.join(found['catalogues'])}")
    for key in found["keys"]:
        typer.echo(f"key: {key['fingerprint']} {key['type']} {key['comment']}".rstrip())


@app.command(epilog="Examples: `ingester tenant inbox acme --complete-on marker` · `ingester tenant inbox acme`")
def inbox(
    name: _Name,
    complete_on: Annotated[
        str | None,
        typer.Option(metavar="HOW", help="close, rename, stable, marker, or `default` for what the settings say."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Say how files that are put into a customer's inbox folder are known to be complete; feeds may say otherwise."""
    with opened(data_dir) as site:
        site.tenants.get(name)
        if complete_on is not None:
            if complete_on not in ("default", *CompleteOn):
                raise UsageError(
                    f"--complete-on is '{complete_on}'", fix=f"Use one of: {', '.join(CompleteOn)}, default."
                )
            site.tenants.set_completion(name, None if complete_on == "default" else CompleteOn(complete_on))
        own = site.tenants.get(name).complete_on
        default = site.settings.folder.complete_on
    typer.echo(f"files in the inbox folder of '{name}' are complete on {own or f'{default} (as the settings say)'}")


@app.command()
def remove(name: _Name, data_dir: DataDir = None) -> None:
    """Remove a customer: its keys stop working at the next login; its files and history stay."""
    with opened(data_dir) as site:
        site.tenants.remove(name)
    typer.echo(f"tenant '{name}' removed")


@app.command(
    epilog="Examples: `ingester tenant limit acme --weight 3` · "
    "`ingester tenant limit acme --concurrency 1 --settle 10m`"
)
def limit(
    name: _Name,
    weight: Annotated[
        int | None, typer.Option(help="How often it is served while others wait; 1 is like everybody.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Imports that may run at once; 0 is as many as there are workers.", min=0)
    ] = None,
    settle: Annotated[
        str | None, typer.Option(help="Begin when nothing has landed for so long, as 10m; 0 is at once.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Say how much of the service a customer gets, and when its batches begin."""
    from ingester.domain import duration

    rest = None if settle is None else duration.seconds(settle)
    with opened(data_dir) as site:
        tenant = site.tenants.limit(name, weight=weight, concurrency=concurrency, settle_seconds=rest)
    begins = f"{duration.written(tenant.settle_seconds)} after the last file" if tenant.settle_seconds else "at once"
    at_once = tenant.concurrency or "without limit"
    typer.echo(f"tenant '{name}': weight {tenant.weight}, imports at once {at_once}, begins {begins}")


@app.command()
def pause(name: _Name, data_dir: DataDir = None) -> None:
    """Let no import of a customer start until it is resumed; files land all the same, and wait."""
    with opened(data_dir) as site:
        site.tenants.pause(name)
    typer.echo(f"tenant '{name}' is paused; go on with: ingester tenant resume {name}")


@app.command()
def resume(name: _Name, data_dir: DataDir = None) -> None:
    """Let the imports of a paused customer start again."""
    with opened(data_dir) as site:
        site.tenants.resume(name)
        site.nudge()
    typer.echo(f"tenant '{name}' goes on")


@app.command(epilog="Examples: `ingester tenant purge acme` shows what there is · `ingester tenant purge acme --yes`")
def purge(
    name: _Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it you are only told what there is.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Remove everything of a customer for good: files, records, imports, keys and feeds. Refused under legal hold."""
    from ingester import log
    from ingester.retention.purge import Purge
    from ingester.store.retention import Retention

    with opened(data_dir) as site:
        log.configure(site.settings.log_format, "WARNING")
        work = Purge(site.ledger, lambda: site.store, site.directory, name)
        found = work.inventory()
        holds = Retention(site.ledger, site.settings.retention).holds(name)
        if yes:
            for _ in work.steps():
                pass
    if as_json:
        rows = dict(found.rows)
        counts = {"files": found.files, "bytes": found.size, "drops": found.drops, "imports": found.imports}
        print_json({"tenant": name, "purged": yes, **counts, "rows": rows, "legal_hold": bool(holds)})
        return
    typer.echo(f"{found.files:,} files of {found.size:,} bytes, {found.drops:,} drops, {found.imports:,} imports")
    for table, rows_of in found.rows.items():
        typer.echo(f"{rows_of:,} rows of {table}")
    if yes:
        typer.echo(f"tenant '{name}' is purged; all of this is gone")
    elif holds:
        typer.echo(f"tenant '{name}' is under legal hold; see `ingester retention show {name}`")
    else:
        typer.echo(f"nothing was removed yet; to remove it for good: ingester tenant purge {name} --yes")


class _Verb(StrEnum):
    ADD = "add"
    LIST = "list"
    REMOVE = "remove"


@app.command(
    epilog="Examples: `ingester tenant key acme add ~/.ssh/id_ed25519.pub` · `ingester tenant key acme list` · "
    "`ingester tenant key acme remove SHA256:…`"
)
def key(
    name: _Name,
    verb: Annotated[_Verb, typer.Argument(help="What to do.")],
    file: Annotated[
        str | None, typer.Argument(help="A public key file (OpenSSH, PEM or RFC 4716), or a fingerprint to remove.")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Add, list or remove the SSH public keys that log in as a customer."""
    with opened(data_dir) as site:
        tenants = site.tenants
        tenants.get(name)
        if verb is _Verb.LIST:
            keys = [_key(key) for key in tenants.keys(name)]
            if as_json:
                print_json(keys)
                return
            for item in keys:
                typer.echo(f"{item['fingerprint']} {item['type']} {item['comment']}".rstrip())
            return
        if file is None:
            raise UsageError(
                f"which key is to be {'added' if verb is _Verb.ADD else 'removed'}?",
                fix=f"Say: ingester tenant key {name} {verb} FILE",
            )
        if verb is _Verb.ADD:
            added = tenants.add_key(name, _public_key(Path(file)))
            typer.echo(f"key {added.fingerprint} may log in as '{name}'")
            return
        gone = file if file.startswith("SHA256:") else _fingerprint(Path(file))
        tenants.remove_key(name, gone)
        typer.echo(f"key {gone} may no longer log in as '{name}'")


def _public_key(file: Path) -> str:
    """One line in OpenSSH form, from any of the forms in which customers send their key."""
    import asyncssh

    try:
        text = file.read_bytes()
    except OSError as error:
        raise UsageError(f"the key file {file} cannot be read: {error.strerror}") from None
    if b"PRIVATE KEY" in text:
        raise UsageError(f"{file} is a private key", fix="Give the public one (.pub) and keep this one secret.")
    try:
        public = asyncssh.import_public_key(text)
    except asyncssh.KeyImportError:
        raise UsageError(f"{file} is not an SSH public key", fix="Give the .pub file made by ssh-keygen.") from None
    return public.export_public_key("openssh").decode().strip()


def _fingerprint(file: Path) -> str:
    from ingester.store.tenant import fingerprint

    return fingerprint(_public_key(file).split()[1])


def _described(tenant: Tenant, keys: Any) -> dict[str, Any]:
    from ingester.outbox import status

    return {
        "name": tenant.name,
        "catalogues": tenant.catalogues,
        "timezone": tenant.timezone,
        "weight": tenant.weight,
        "concurrency": tenant.concurrency,
        "settle_seconds": tenant.settle_seconds,
        "paused_at": status.moment(tenant.paused_at),
        "created_at": status.moment(tenant.created_at),
        "keys": [_key(key) for key in keys],
    }


def _key(key: TenantKey) -> dict[str, Any]:
    from ingester.outbox import status

    return {
        "fingerprint": key.fingerprint,
        "type": key.public_key.split()[0],
        "comment": key.comment,
        "created_at": status.moment(key.created_at),
    }
