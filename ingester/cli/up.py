"""`ingester up`: the whole service in one process tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ingester.cli.options import Config, DataDir, only_given, settings

if TYPE_CHECKING:
    from ingester.service import Ready

EXAMPLES = (
    "Examples: `ingester up` · `ingester up --data-dir /var/lib/ingester --host 0.0.0.0` · `ingester up --sftp-port 0`"
)


def up(
    data_dir: DataDir = None,
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1")] = None,
    sftp_port: Annotated[int | None, typer.Option(help="Default: 2222. 0 takes a free port.")] = None,
    http_port: Annotated[
        int | None,
        typer.Option(help="Of metrics and health, on this machine only. Default: 8080. 0 takes a free port."),
    ] = None,
) -> None:
    """Run everything: SFTP server, folder watch, scheduler and workers, on one data directory."""
    import uvloop

    from ingester import log
    from ingester.service import Service

    found = settings(data_dir, config, sftp=only_given(host=host, port=sftp_port), http=only_given(port=http_port))
    log.configure(found.log_format, found.log_level)
    service = Service(found)

    def on_ready(ready: Ready) -> None:
        address = ready.host if ready.host not in ("0.0.0.0", "::") else "this-machine"  # noqa: S104 -- a comparison
        typer.echo(f"ingester is ready on {ready.host} port {ready.sftp_port}, data in {found.data_dir}")
        for key in ready.host_keys:
            typer.echo(f"  host key {key.algorithm} {key.fingerprint}")
        typer.echo("  add a customer:   ingester tenant add acme")
        typer.echo("  let them in:      ingester tenant key acme add id_ed25519.pub")
        typer.echo(f"  they upload with: sftp -P {ready.sftp_port} acme@{address}")

    uvloop.run(service.run(on_ready))
