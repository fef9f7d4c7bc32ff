"""What an import did, for people at a terminal and for scripts that look at the exit code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

_DONE = {
    "created_count": "created",
    "updated_count": "updated",
    "skipped_count": "unchanged",
    "deleted_count": "deleted",
    "removed_count": "removed",
}
_ALWAYS_SAID = ("created", "updated", "unchanged")
_ALL_ACCEPTED, _SOME_REFUSED, _FAILED, _STOPPED = 0, 2, 3, 4


def exit_code(document: Mapping[str, Any]) -> int:
    """0 all accepted, 2 some rows refused, 3 failed, 4 held, canceled or expired; from a status document."""
    if document["status"] == "completed":
        return _ALL_ACCEPTED if document["outcome"] == "accepted" else _SOME_REFUSED
    return _FAILED if document["status"] in ("failed", "timed_out") else _STOPPED


def counted(stats: Mapping[str, Any], *, dry_run: bool) -> Iterator[str]:
    """What became of the rows of an import, in a line or two."""
    yield (
        f"{stats['total_rows']:,} rows: {stats['valid_rows']:,} valid, {stats['error_rows']:,} wrong, "
        f"{stats['duplicate_rows']:,} duplicate"
    )
    done = ", ".join(
        f"{stats[count]:,} {word}"
        for count, word in _DONE.items()
        if stats[count] or (stats[count] is not None and word in _ALWAYS_SAID)
    )
    if done:
        yield done + (" (predicted)" if dry_run else "")


def print_summary(document: Mapping[str, Any], folder: Path | None = None) -> None:
    """A few lines: how it ended, the counts, the first errors and where the files are."""
    ended = document["outcome"] or document["reason"] or ""
    typer.echo(f"{document['file']['name']}: {document['status']} {ended}".rstrip())
    if document["message"]:
        typer.echo(f"  {document['message']}")
    stats = document["stats"]
    if stats is not None:
        for line in counted(stats, dry_run=document["dry_run"]):
            typer.echo(f"  {line}")
    for count in document["counts"]:
        field = f" {count['field']}" if count["field"] else ""
        typer.echo(f"  {count['rows']:,} x {count['severity']} {count['code']}{field}")
    for name in document["files"].values():
        if name is not None:
            typer.echo(f"  see {folder / name if folder is not None else name}")
