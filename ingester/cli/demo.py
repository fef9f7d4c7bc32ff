"""`ingester demo`: a real service in a scratch folder, a real upload over SFTP, and what came back."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ingester.cli.summary import print_summary
from ingester.domain.errors import IngesterError

if TYPE_CHECKING:
    import asyncio

    import asyncssh
    from rich.console import Console

    from ingester.service import Ready

_TENANT = "acme"
_SECONDS = 30.0

#: Eight customers, five of whom have something wrong with them.
_CUSTOMERS = files("ingester.cli").joinpath("demo.csv")


def demo() -> None:
    """Watch a file go in over SFTP and its report come back: own folder, free ports, under five seconds."""
    import asyncio

    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ingester-demo-") as scratch:
        asyncio.run(_demo(Path(scratch)))
    typer.echo(f"\nThat took {time.monotonic() - started:.1f} s. Run it yourself with: ingester up")


async def _demo(scratch: Path) -> None:
    import asyncio

    import asyncssh
    from rich.console import Console

    from ingester import log, settings
    from ingester.routing import Router
    from ingester.ruleset.shipped import in_force
    from ingester.service import Service
    from ingester.store.tenant import Tenants
    from ingester.tenancy import prepare_tenant

    console = Console(highlight=False)
    # The demo's own output is the point; the service's log would drown it.
    found = settings.load(
        data_dir=scratch / "data", sftp={"host": "127.0.0.1", "port": 0}, http={"port": 0}, log_level="ERROR"
    )
    log.configure(found.log_format, found.log_level)
    service = Service(found)
    key = asyncssh.generate_private_key("ssh-ed25519")
    tenants = Tenants(service.ledger)
    rules = in_force(found.rules_dirs)
    prepare_tenant(service.directory, Router(rules), tenants.add(_TENANT, list(rules.catalogues)))
    tenants.add_key(_TENANT, key.export_public_key("openssh").decode())

    customer: list[asyncio.Task[None]] = []
    stop = asyncio.Event()

    def on_ready(ready: Ready) -> None:
        customer.append(asyncio.create_task(_upload_and_show(console, ready, key)))
        customer[0].add_done_callback(lambda _: stop.set())

    await service.run(on_ready, stop)
    await customer[0]


async def _upload_and_show(console: Console, ready: Ready, key: asyncssh.SSHKey) -> None:
    import asyncssh

    name = "customers_demo.csv"
    console.print(f"An SFTP server listens on {ready.host} port {ready.sftp_port}. {_TENANT} uploads {name}:\n")
    console.print(_CUSTOMERS.read_text(encoding="utf-8"), markup=False, soft_wrap=True)
    async with (
        asyncssh.connect(
            ready.host,
            ready.sftp_port,
            username=_TENANT,
            client_keys=[key],
            known_hosts=([asyncssh.read_public_key(each.path.with_suffix(".pub")) for each in ready.host_keys], [], []),
            config=None,
        ) as connection,
        connection.start_sftp_client() as client,
    ):
        async with client.open(f"/inbox/{name}", "wb") as file:
            await file.write(_CUSTOMERS.read_bytes())
        landed = time.monotonic()
        status = await _final_status(client)
        console.print(f"{1000 * (time.monotonic() - landed):.0f} ms after the upload its report is in /outbox:\n")
        print_summary(status)
        errors, rejects = f"/outbox/{status['files']['errors']}", f"/outbox/{status['files']['rejects']}"
        console.print(f"\n{errors} says what is wrong, a line for each finding:")
        for line in csv.DictReader(io.StringIO(await _read(client, errors))):
            said = f"  row {line['row']}  {line['key']}  {line['field']} = {line['value']}: {line['message']}"
            console.print(said, markup=False, soft_wrap=True)
        console.print(f"\n{rejects} holds the rows to mend and drop back, as they were sent:\n")
        console.print(await _read(client, rejects), markup=False, soft_wrap=True)
        console.print("Three customers are in the database; the original file is in /archive.")


async def _final_status(client: asyncssh.SFTPClient) -> dict[str, Any]:
    """Wait for the status file, as any customer's script would."""
    import asyncio

    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        for name in await client.listdir("/outbox"):
            if not name.endswith(".status.json"):
                continue
            document: dict[str, Any] = json.loads(await _read(client, f"/outbox/{name}"))
            if document["status"] == "completed":
                return document
            if document["status"] not in ("queued", "processing"):
                raise IngesterError(f"the demo's import is {document['status']}: {document['message']}")
        await asyncio.sleep(0.02)
    raise IngesterError(f"no report came within {_SECONDS:.0f} s", fix="Run `ingester up` and look at its log.")


async def _read(client: asyncssh.SFTPClient, path: str) -> str:
    async with client.open(path, "r", encoding="utf-8-sig") as file:
        return str(await file.read())
