"""A file as a ledger would hold it after landing, for tests that run the pipeline alone."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Any

from ingester.domain.status import Action, DuplicateHandling, Origin, Status
from ingester.ruleset.model import Entity
from ingester.store.database import now
from ingester.store.ledger_tables import Drop, Import


def landed(file: Path, entity: Entity, *, hashed: bool = True, **policy: Any) -> tuple[Import, Drop]:
    """The import of `file` and its drop; `policy` is what its feed would say."""
    at, import_id, drop_id = now(), str(uuid.uuid4()), str(uuid.uuid4())
    drop = Drop(
        id=drop_id,
        tenant="acme",
        origin=Origin.FOLDER,
        name=file.name,
        shown_folder="",
        shown_name=file.name,
        size=file.stat().st_size,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest() if hashed else "",
        location=str(file),
        landed_at=at,
    )
    job = Import(
        id=import_id,
        short_id=import_id[:8],
        tenant="acme",
        drop_id=drop_id,
        catalogue=entity.catalogue,
        entity=entity.name,
        source="default",
        **{"action": Action.MERGE, "duplicate_handling": DuplicateHandling.IGNORE_ALL, "approved": [], **policy},
        status=Status.PROCESSING,
        due_at=at,
        created_at=at,
        started_at=at,
    )
    return job, drop
