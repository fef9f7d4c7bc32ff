"""`ingester notify …`: who is told what, and what became of what they were told."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingester.cli.options import Config, DataDir, Json, opened, print_json, print_table
from ingester.domain.errors import UsageError

if TYPE_CHECKING:
    from ingester.cli.site import Site
    from ingester.store.ledger_tables import NotifyTarget

app = typer.Typer(no_args_is_help=True, help="Tell people and programs what happens, by mail, webhook or chat.")

_Tenant = Annotated[str, typer.Argument(metavar="T", help="The tenant; '*' for every one.")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="The target's name.")]


class _Audience(StrEnum):
    OPERATOR = "operator"
    CUSTOMER = "customer"


class _State(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    FOLDED = "folded"
    GIVEN_UP = "given_up"


@app.command(
    epilog="Examples: `ingester notify add acme ops --to mailto:ops@example.com` · "
    "`ingester notify add acme hook --to https://example.com/hook --on failed,held --secret-env HOOK_KEY` · "
    "`ingester notify add '*' chat --to-file /etc/ingester/slack.url --on late,missing`"
)
def add(
    tenant: _Tenant,
    name: _Name,
    to: Annotated[
        str | None, typer.Option(help="mailto:NAME@HOST, https://HOST/PATH (a webhook), or a URL of Apprise.")
    ] = None,
    to_env: Annotated[
        str | None, typer.Option(help="Where the address is a secret: the service's environment variable with it.")
    ] = None,
    to_file: Annotated[str | None, typer.Option(help="The same: the absolute path of a file with it.")] = None,
    on: Annotated[
        str | None, typer.Option(help="Events with commas, or all. Default: whatever needs somebody.")
    ] = None,
    feed: Annotated[str | None, typer.Option(help="Only of this feed.")] = None,
    audience: Annotated[
        _Audience, typer.Option(help="Who reads it: a customer is not told of commands.")
    ] = _Audience.OPERATOR,
    secret_env: Annotated[
        list[str] | None, typer.Option(help="The service's environment variable with the webhook's key; repeatable.")
    ] = None,
    secret_file: Annotated[
        list[str] | None, typer.Option(help="The absolute path of a file with the webhook's key; repeatable.")
    ] = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Add a target. A webhook without a key gets one, which is printed once."""
    from ingester.notify import event, secret
    from ingester.notify.target import Audience, Targets

    given = [*(f"env:{each}" for each in secret_env or ()), *(f"file:{each}" for each in secret_file or ())]
    references = [f"env:{to_env}"] if to_env else [f"file:{to_file}"] if to_file else []
    addresses = [*([to] if to else []), *references]
    if len(addresses) != 1 or (to_env and to_file):
        raise UsageError("where to?", fix="Say one of --to, --to-env and --to-file.")
    if wrong := [each for each in (*given, *references) if each.startswith("file:") and not each.startswith("file:/")]:
        raise UsageError(f"{wrong[0].removeprefix('file:')} is no absolute path", fix="The service runs elsewhere.")
    if to is not None and secret.is_reference(to):
        raise UsageError("that is no address", fix="Say --to-env NAME or --to-file PATH.")
    wanted = event.PROBLEMS if on is None else event.parse(on)
    made = None
    with opened(data_dir, config) as site:
        targets = Targets(site.ledger)
        webhook = _sender(site).check(addresses[0])
        if given and to is not None and not webhook:
            raise UsageError("only webhooks are signed", fix="Leave out --secret-env and --secret-file.")
        if webhook and not given:
            kept = f"webhook-{uuid.uuid4().hex[:12]}"
            made = secret.keep(site.directory.secrets, kept)
            given = [f"kept:{kept}"]
        try:
            target = targets.add(
                tenant, name, addresses[0], wanted, feed=feed, secrets=given, audience=Audience(audience)
            )
        except UsageError:
            if made is not None:
                (site.directory.secrets / kept).unlink()
            raise
        typer.echo(
            f"target '{name}' of '{tenant}', {secret.masked(target.address)}, is told of {_named(target.events)}"
        )
    if made is not None:
        typer.echo(f"its messages are signed with this key, which is shown only now: {made}")


@app.command("list")
def list_targets(
    tenant: Annotated[str | None, typer.Argument(metavar="[T]", help="Only what is told about this tenant.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List the targets, and how they fare."""
    from ingester.notify.target import Targets

    with opened(data_dir) as site:
        targets = Targets(site.ledger)
        found = [_said(targets, target) for target in targets.all(tenant)]
        if tenant is not None and not found:
            site.tenants.ever(tenant)
    if as_json:
        print_json(found)
        return
    print_table(
        ("tenant", "target", "to", "on", "feed", "waiting", "sent", "given up", "trouble"),
        [
            (
                each["tenant"],
                each["name"],
                each["to"],
                _named(each["on"]),
                each["feed"] or "",
                str(each["waiting"]),
                str(each["sent"]),
                str(each["given_up"]),
                each["disabled_reason"] or each["error"] or "",
            )
            for each in found
        ],
    )


@app.command(epilog="Example: `ingester notify log acme --state given_up`")
def log(
    tenant: Annotated[str | None, typer.Argument(metavar="[T]", help="Only what is about this tenant.")] = None,
    state: Annotated[_State | None, typer.Option(help="Only those that stand so.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List the newest notifications and what became of them."""
    from ingester.notify.notification import State
    from ingester.notify.target import Targets
    from ingester.outbox.status import moment

    with opened(data_dir) as site:
        rows = Targets(site.ledger).told(tenant, None if state is None else State(state), limit)
        if tenant is not None and not rows:
            site.tenants.ever(tenant)
    found = [
        {
            "id": notification.id,
            "tenant": notification.tenant,
            "target": target.name,
            "event": notification.event,
            "state": notification.state,
            "attempts": notification.attempts,
            "created_at": moment(notification.created_at),
            "ended_at": moment(notification.ended_at),
            "due_at": moment(notification.due_at) if notification.state == State.WAITING else None,
            "digest_id": notification.digest_id,
            "error": notification.error,
        }
        for notification, target in rows
    ]
    if as_json:
        print_json(found)
        return
    columns = ("created_at", "tenant", "target", "event", "state", "attempts", "error")
    print_table(columns, [[str(each[name] if each[name] is not None else "") for name in columns] for each in found])


@app.command()
def remove(tenant: _Tenant, name: _Name, data_dir: DataDir = None) -> None:
    """Remove a target, and what waits for it."""
    from ingester.notify.target import Targets

    with opened(data_dir) as site:
        targets = Targets(site.ledger)
        kept = [each.removeprefix("kept:") for each in targets.get(tenant, name).secrets if each.startswith("kept:")]
        targets.remove(tenant, name)
        for each in kept:
            (site.directory.secrets / each).unlink(missing_ok=True)
    typer.echo(f"target '{name}' of '{tenant}' removed")


@app.command()
def enable(tenant: _Tenant, name: _Name, data_dir: DataDir = None) -> None:
    """Use a target again that answered that it wants no more."""
    from ingester.notify.target import Targets

    with opened(data_dir) as site:
        Targets(site.ledger).enable(tenant, name)
    typer.echo(f"target '{name}' of '{tenant}' is in use")


@app.command("test")
def send_test(tenant: _Tenant, name: _Name, config: Config = None, data_dir: DataDir = None) -> None:
    """Send a message to a target now, with the settings and the environment of this command."""
    from ingester.notify.message import TEST
    from ingester.notify.notification import waiting
    from ingester.notify.target import Targets
    from ingester.store.database import now

    with opened(data_dir, config) as site:
        target = Targets(site.ledger).get(tenant, name)
        assert target.id is not None
        message = waiting(target.id, tenant, TEST, TEST, {"event": TEST, "tenant": tenant}, now())
        _sender(site).send(target, message, now())
    typer.echo(f"'{name}' took the message")


def _sender(site: Site) -> Any:
    from ingester.notify.send import Sender

    return Sender(site.settings.notify, site.settings.smtp, site.directory.secrets)


def _said(targets: Any, target: NotifyTarget) -> dict[str, Any]:
    from ingester.notify.target import shown
    from ingester.outbox.status import moment

    counts, error = targets.standing(target)
    return {
        "tenant": target.tenant,
        "name": target.name,
        "to": shown(target),
        "on": target.events,
        "feed": target.feed or None,
        "audience": target.audience,
        "secrets": _places(target.secrets),
        **counts,
        "error": error,
        "disabled_at": moment(target.disabled_at),
        "disabled_reason": target.disabled_reason,
        "created_at": moment(target.created_at),
    }


def _named(events: Sequence[str]) -> str:
    """The events for people; in short where they are the usual ones."""
    from ingester.notify.event import PROBLEMS, Event

    short = {tuple(PROBLEMS): "problems", tuple(Event): "all"}
    return short.get(tuple(Event(each) for each in events)) or ", ".join(events)


def _places(secrets: Sequence[str]) -> list[str]:
    return ["made by ingester" if each.startswith("kept:") else each for each in secrets]
