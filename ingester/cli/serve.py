"""`ingester serve ROLE`: one part of the service as a process of its own, beside others on the same PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ingester.cli.options import Config, DataDir, only_given, settings
from ingester.role import Role

if TYPE_CHECKING:
    from ingester.service import Ready

EXAMPLES = (
    "Examples: `ingester serve sftp --host 0.0.0.0` · `ingester serve worker --processes 4`. "
    "All of them need the same INGESTER_DATABASE_URL and the same data directory."
)


def serve(
    role: Annotated[Role, typer.Argument(metavar="ROLE", help="sftp, watcher, scheduler, worker or api.")],
    data_dir: DataDir = None,
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1")] = None,
    sftp_port: Annotated[int | None, typer.Option(help="Default: 2222. 0 takes a free port.")] = None,
    http_port: Annotated[
        int | None, typer.Option(help="Of metrics and health, on this machine only. Default: 8081 and up, by role.")
    ] = None,
    processes: Annotated[int | None, typer.Option(help="Workers of this machine. Default: 2", min=1)] = None,
) -> None:
    """Run one role of the service, as a process of its own."""
    import uvloop

    from ingester import log
    from ingester.service import Service

    found = settings(
        data_dir,
        config,
        sftp=only_given(host=host, port=sftp_port),
        http=only_given(port=http_port),
        worker=only_given(processes=processes),
    )
    log.configure(found.log_format, found.log_level)
    service = Service(found, frozenset({role}))

    def on_ready(ready: Ready) -> None:
        where = "" if ready.sftp_port is None else f" on {ready.host} port {ready.sftp_port}"
        typer.echo(f"ingester {role} is ready{where}, data in {found.data_dir}")

    uvloop.run(service.run(on_ready))
