"""`ingester s3 …`: buckets whose objects are a tenant's drops."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingester.cli.options import DataDir, Json, opened, print_json, print_table
from ingester.domain.errors import UsageError
from ingester.domain.status import AfterImport

if TYPE_CHECKING:
    from ingester.store.ledger_tables import S3Inbox

app = typer.Typer(no_args_is_help=True, help="Watch S3 buckets: objects are drops, reports go back into the bucket.")

_Tenant = Annotated[str, typer.Argument(metavar="T", help="The tenant.")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="The inbox's name.")]


class Addressing(StrEnum):
    """Where a request names the bucket."""

    AUTO = "auto"
    PATH = "path"
    VIRTUAL = "virtual"


@app.command(
    epilog="Examples: `ingester s3 add acme main --bucket acme-exchange --prefix incoming/ --outbox-prefix outbox/` · "
    "`ingester s3 add acme nightly --bucket acme --prefix in/ --after move --move-to done/ --region eu-central-1` · "
    "`ingester s3 add acme lab --bucket drops --prefix customers/ --folder customer --after delete "
    "--endpoint-url https://minio.example.com --access-key-env ACME_KEY --secret-key-env ACME_SECRET`"
)
def add(
    tenant: _Tenant,
    name: _Name,
    bucket: Annotated[str, typer.Option(help="The bucket.")],
    prefix: Annotated[str, typer.Option(help="Only keys that begin so, as incoming/.")] = "",
    after: Annotated[
        AfterImport, typer.Option(help="What becomes of an object when its import has ended.")
    ] = AfterImport.KEEP,
    move_to: Annotated[str | None, typer.Option(help="The prefix that --after move moves objects to.")] = None,
    outbox_prefix: Annotated[
        str | None, typer.Option(help="Write status, error and rejects files back below this prefix.")
    ] = None,
    folder: Annotated[
        str, typer.Option(help="The folder of the inbox that it stands for, as customer or validate/customer.")
    ] = "",
    endpoint_url: Annotated[str | None, typer.Option(help="Of a server that is not Amazon's.")] = None,
    region: Annotated[str | None, typer.Option(help="The bucket's region.")] = None,
    addressing: Annotated[
        Addressing, typer.Option(help="Whether the bucket is in the path or in the host name of requests.")
    ] = Addressing.AUTO,
    profile: Annotated[str | None, typer.Option(help="A profile of the service's AWS configuration.")] = None,
    credentials_file: Annotated[
        Path | None, typer.Option(help="An AWS credentials file, instead of ~/.aws/credentials.")
    ] = None,
    access_key_env: Annotated[
        str | None, typer.Option(help="The service's environment variable that holds the access key's id.")
    ] = None,
    secret_key_env: Annotated[
        str | None, typer.Option(help="The service's environment variable that holds the secret key.")
    ] = None,
    sqs_queue_url: Annotated[
        str | None, typer.Option(help="A queue that receives the bucket's notifications; saves waiting for the poll.")
    ] = None,
    poll_seconds: Annotated[float, typer.Option(help="How often the bucket is listed.")] = 30.0,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Watch a bucket. Without credentials of its own it is reached as boto3 finds them: environment, profile, role."""
    from ingester.store.database import now
    from ingester.store.ledger_tables import S3Inbox
    from ingester.store.s3_inbox import S3Inboxes

    inbox = S3Inbox(
        tenant=tenant,
        name=name,
        bucket=bucket,
        prefix=_ended(prefix) or "",
        endpoint_url=endpoint_url,
        region=region,
        addressing=addressing.value,
        profile=profile,
        access_key_variable=access_key_env,
        secret_key_variable=secret_key_env,
        credentials_file=None if credentials_file is None else str(credentials_file.absolute()),
        folder=folder.strip("/"),
        after=after,
        move_prefix=_ended(move_to),
        sqs_queue_url=sqs_queue_url,
        outbox_prefix=_ended(outbox_prefix),
        poll_seconds=poll_seconds,
        created_at=now(),
    )
    with opened(data_dir) as site:
        known = site.router.folders(site.tenants.get(tenant))
        if inbox.folder and inbox.folder not in known:
            raise UsageError(
                f"the inbox of '{tenant}' has no folder '{inbox.folder}'", fix=f"It has {', '.join(known)}."
            )
        S3Inboxes(site.ledger).add(inbox)
        said = _said(inbox)
    if as_json:
        print_json(said)
        return
    typer.echo(f"s3://{inbox.bucket}/{inbox.prefix} is watched for '{tenant}'; next: ingester s3 check {tenant} {name}")


@app.command("list", epilog="Example: `ingester s3 list acme --json`")
def list_inboxes(tenant: _Tenant, data_dir: DataDir = None, as_json: Json = False) -> None:
    """List a tenant's S3 inboxes and what keeps one from working."""
    from ingester.store.s3_inbox import S3Inboxes

    with opened(data_dir) as site:
        found = [_said(inbox) for inbox in S3Inboxes(site.ledger).of(tenant)]
    if as_json:
        print_json(found)
        return
    print_table(
        ("name", "objects", "after", "outbox", "trouble"),
        [
            (
                each["name"],
                f"s3://{each['bucket']}/{each['prefix']}",
                f"move to {each['move_prefix']}" if each["move_prefix"] else each["after"],
                each["outbox_prefix"] or "-",
                each["trouble"] or "-",
            )
            for each in found
        ],
    )


@app.command(epilog="Example: `ingester s3 show acme main`")
def show(tenant: _Tenant, name: _Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show everything about one S3 inbox."""
    from ingester.store.s3_inbox import S3Inboxes

    with opened(data_dir) as site:
        said = _said(S3Inboxes(site.ledger).get(tenant, name))
    if as_json:
        print_json(said)
        return
    for word, value in said.items():
        typer.echo(f"{word}: {'-' if value in (None, '') else value}")


@app.command(epilog="Example: `ingester s3 remove acme main`")
def remove(tenant: _Tenant, name: _Name, data_dir: DataDir = None) -> None:
    """Watch a bucket no longer; its objects stay, and what was imported as well."""
    from ingester.store.s3_inbox import S3Inboxes

    with opened(data_dir) as site:
        left = S3Inboxes(site.ledger).remove(tenant, name)
    typer.echo(f"S3 inbox '{name}' of '{tenant}' removed")
    if left:
        typer.echo(f"objects whose imports had not ended: {left}; they stay where they are")


@app.command(epilog="Examples: `ingester s3 check acme` · `ingester s3 check acme main --json`")
def check(
    tenant: _Tenant,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this inbox.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Try whether buckets can be listed, read and written; ends with 1 if not. Run it as the service's user."""
    from ingester.store.s3_inbox import S3Inboxes
    from ingester.watch.s3.reach import reach

    with opened(data_dir) as site:
        inboxes = S3Inboxes(site.ledger)
        chosen = inboxes.of(tenant) if name is None else [inboxes.get(tenant, name)]
    found = [(inbox.name, finding) for inbox in chosen for finding in reach(inbox)]
    if as_json:
        print_json(
            [
                {"inbox": inbox, "step": each.step, "ok": each.ok, "said": each.said, "fix": each.fix}
                for inbox, each in found
            ]
        )
    else:
        for inbox, each in found:
            typer.echo(f"{inbox}: {each.step}: {'ok' if each.ok else 'FAILED'}: {each.said}")
            if each.fix:
                typer.echo(f"  {each.fix}")
    if not all(each.ok for _, each in found):
        raise typer.Exit(1)


def _ended(prefix: str | None) -> str | None:
    """A prefix as it is kept: without a slash in front, with one at its end."""
    bare = (prefix or "").strip("/")
    return f"{bare}/" if bare else None


def _said(inbox: S3Inbox) -> dict[str, Any]:
    return inbox.model_dump(mode="json", exclude={"id", "tenant"})
