"""Names that people choose and files carry: which are allowed, reserved or to be ignored."""

from __future__ import annotations

import re

from ingester.domain.errors import UsageError

TENANT_PATTERN = re.compile(r"[a-z][a-z0-9_-]{1,62}\Z")
ENTITY_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,40}\Z")

#: Characters that the name of a source has at most.
MAX_SOURCE = 100

RESERVED_TENANTS = frozenset({"import", "companies", "v1", "api", "docs", "metrics", "healthz", "readyz"})
RESERVED_ENTITIES = frozenset(
    {"jobs", "entities", "templates", "validation", "map", "start", "upload", "graphql", "validate"}
)

#: Suffixes under which clients write before they rename; such a file is not landed until it is renamed.
UNFINISHED_SUFFIXES = (".filepart", ".part", ".partial", ".tmp", ".crdownload")

#: What is appended to a file's name when the file is packed, or encrypted.
CONTAINER_SUFFIXES = (".gz", ".gzip", ".bz2", ".xz", ".zst", ".zip", ".pgp", ".gpg", ".asc")


def refuse_odd_tenant(name: str) -> None:
    """UsageError for what cannot name a tenant, and the folders that are its own."""
    if not TENANT_PATTERN.match(name):
        raise UsageError(
            f"'{name}' is not a tenant name", fix="Use 2 to 63 of a-z, 0-9, - and _, starting with a letter."
        )
    if name in RESERVED_TENANTS:
        raise UsageError(f"'{name}' is a reserved name", fix="Choose another.")


def refuse_odd_source(source: str) -> None:
    """UsageError for a name of a source that people could not read, repeat or tell from another.

    It is part of what identifies a record: an invisible character in it would make a second one of each.
    """
    if not 0 < len(source) <= MAX_SOURCE or not source.isprintable() or source != source.strip():
        raise UsageError(
            f"{source[:MAX_SOURCE]!r} is not the name of a source: "
            f"1 to {MAX_SOURCE} printable characters, no blank before or after them"
        )


def is_unfinished(name: str) -> bool:
    """Whether a file name says that its writer is not done with it yet."""
    return name.startswith(".") or name.endswith("~") or name.lower().endswith(UNFINISHED_SUFFIXES)


def peeled(name: str) -> str:
    """The name without the suffixes of what it is packed or encrypted in: `x.csv` of `x.csv.zip.pgp`."""
    stem, dot, suffix = name.rpartition(".")
    return peeled(stem) if stem and f"{dot}{suffix.lower()}" in CONTAINER_SUFFIXES else name


def is_archive(name: str) -> bool:
    """Whether a file name says that it is an archive, be it packed or encrypted once more."""
    return any(f".{part}" == ".zip" for part in name.lower()[len(peeled(name)) :].split(".")[1:])
