"""The status file: its document and how it is put in place. Readers ignore keys they do not know."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ingester.domain import notice
from ingester.outbox import name as outbox_name
from ingester.store.ledger_tables import Drop, Import

SCHEMA = "ingester.status/1"

_NOTHING_YET: dict[str, Any] = {
    "detected": None,
    "columns": [],
    "plan_version": None,
    "healed": [],
    "phases": [],
    "stats": None,
    "counts": [],
    "not_checked": [],
    "errors": [],
    "warnings": [],
    "files": {"errors": None, "rejects": None},
}


def document(job: Import, drop: Drop, found: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Everything the contract names, from the ledger's rows; `found` adds what the phases know."""
    return {
        "schema": SCHEMA,
        "id": job.id,
        "short_id": job.short_id,
        "run_id": job.run_id,
        "tenant": job.tenant,
        "feed": job.feed,
        "entity_type": job.entity,
        "source": job.source,
        "action": job.action.value,
        "dry_run": job.dry_run,
        "file": {
            "name": drop.name,
            "size": drop.size,
            "sha256": drop.sha256,
            "origin": drop.origin.value,
            "member": drop.member,
        },
        "status": job.status.value,
        "outcome": None if job.outcome is None else job.outcome.value,
        "reason": job.reason,
        "message": job.message,
        "duplicate_of": None,
        **_NOTHING_YET,
        "parent_id": None,
        "resolved_rejects": None,
        "created_at": moment(job.created_at),
        "started_at": moment(job.started_at),
        "completed_at": moment(job.completed_at),
        **(found or {}),
    }


def waiting(reason: str, expected: str) -> dict[str, Any]:
    """What the status of a queued import adds when something keeps it waiting: a notice's code, and what it says."""
    return {"reason": reason, "message": notice.message(reason, expected=expected)}


def moment(value: datetime | None) -> str | None:
    """A point in time as reports write it: UTC, with a Z."""
    return None if value is None else value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(content: Mapping[str, Any]) -> bytes:
    """The bytes of a status file."""
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def put(outbox: Path, content: Mapping[str, Any], scratch: Path, *, replace: bool = True) -> None:
    """Write a status file at once and whole. With `replace=False` a status that is there already wins.

    `scratch` is a folder on the same filesystem that tenants do not see. The file is not synced: it only reports
    what the ledger holds, and start-up writes it again.
    """
    temporary = scratch / f"{content['id']}.{secrets.token_hex(4)}.status"
    final = outbox / outbox_name.status(content["file"]["name"], content["short_id"])
    temporary.write_bytes(encode(content))
    if replace:
        temporary.rename(final)
        return
    try:
        os.link(temporary, final)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def read(outbox: Path, job: Import, drop: Drop) -> dict[str, Any] | None:
    """What a customer reads of an import now; None if there is no status file, or no whole one."""
    try:
        content = json.loads((outbox / outbox_name.status(drop.name, job.short_id)).read_bytes())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return content if isinstance(content, dict) else None


def told(outbox: Path, job: Import, drop: Drop) -> str | None:
    """The status that a customer reads now; None if there is no status file, or no whole one."""
    content = read(outbox, job, drop)
    return None if content is None else str(content.get("status"))
