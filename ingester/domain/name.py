"""Names that people choose and files carry: which are allowed, reserved or to be ignored."""

from __future__ import annotations

import re

TENANT_PATTERN = re.compile(r"[a-z][a-z0-9_-]{1,62}\Z")
ENTITY_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,40}\Z")

RESERVED_TENANTS = frozenset({"import", "companies", "v1", "api", "docs", "metrics", "healthz", "readyz"})
RESERVED_ENTITIES = frozenset(
    {"jobs", "entities", "templates", "validation", "map", "start", "upload", "graphql", "validate"}
)

#: Suffixes under which clients write before they rename; such a file is not landed until it is renamed.
UNFINISHED_SUFFIXES = (".filepart", ".part", ".partial", ".tmp", ".crdownload")


def is_unfinished(name: str) -> bool:
    """Whether a file name says that its writer is not done with it yet."""
    return name.startswith(".") or name.endswith("~") or name.lower().endswith(UNFINISHED_SUFFIXES)
