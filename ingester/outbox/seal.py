"""Reports that only the customer can read: encrypted in the workspace, before anything of them is in the outbox.

Beside them stays a status file in clear, for programs, the customer's and ours: it says how the import went and which
files there are, and nothing of what is in the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ingester.domain import notice
from ingester.formats.packed import pgp

SUFFIX = ".pgp"

#: What of a status tells columns and cells.
_OF_THE_DATA: dict[str, Any] = {"detected": None, "columns": [], "counts": [], "errors": [], "warnings": []}

_NOBODY = notice.CATALOGUE["no_recipient"]
_WITHHELD: dict[str, Any] = {
    **dict.fromkeys(("row", "line", "key", "field")),
    "code": _NOBODY.code,
    "message": _NOBODY.message,
    "hint": _NOBODY.hint,
    "value": None,
}


def seal(
    folder: Path, reports: Sequence[str], status_name: str, document: Mapping[str, Any], certificates: Sequence[str]
) -> tuple[list[str], dict[str, Any]]:
    """Encrypt the reports in `folder`, and the status as it would be in clear, which has been written there as well.

    Returns the names of what may be published, and the status that may be shown in clear. Where nobody can be encrypted
    for, that is the status alone, with a warning; what was written in clear is removed in any case.
    """
    names = {name: f"{name}{SUFFIX}" for name in (*reports, status_name)}
    try:
        for name, sealed in names.items():
            pgp.encrypt(folder / name, folder / sealed, certificates)
        found, warnings = document["files"], []
        files = {kind: names.get(name, name) for kind, name in found.items()} | {"status": names[status_name]}
    except pgp.NoRecipient:
        for sealed in names.values():
            (folder / sealed).unlink(missing_ok=True)
        names, files = {}, dict.fromkeys((*document["files"], "status"))
        warnings = [_WITHHELD]
    finally:
        for name in (*reports, status_name):
            (folder / name).unlink(missing_ok=True)
    return list(names.values()), {**document, **_OF_THE_DATA, "warnings": warnings, "files": files}
