"""What a customer finds in the outbox about one drop, read the way a customer would read it."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

ENDED = frozenset({"completed", "failed", "timed_out", "expired", "canceled"})
PHASES = ["prevalidation", "preparsing", "transforming", "parsing", "validation", "processing", "cleanup"]
ERROR_COLUMNS = ["row", "line", "key", "field", "code", "severity", "message", "value", "hint"]
MARKS = ["_import", "_row", "_errors"]

_SUFFIX = ".status.json"


@dataclass(frozen=True)
class Report:
    """One status file with the files beside it."""

    path: Path
    status: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Report:
        """Read a status file; it is replaced atomically, so it is never seen half-written."""
        return cls(path, json.loads(path.read_text(encoding="utf-8")))

    @property
    def stats(self) -> dict[str, int]:
        stats: dict[str, int] = self.status["stats"]
        return stats

    @property
    def ended(self) -> bool:
        return self.status["status"] in ENDED

    @property
    def errors(self) -> list[dict[str, str]]:
        """The lines of the error CSV."""
        return self._table(".errors.csv")

    @property
    def rejects(self) -> list[dict[str, str]]:
        """The lines of the rejects CSV."""
        return self._table(".rejects.csv")

    def brief(self) -> dict[str, object]:
        """What a failed assertion should show."""
        keys = ("status", "outcome", "reason", "stats", "counts", "errors")
        return {key: self.status.get(key) for key in keys}

    def _table(self, suffix: str) -> list[dict[str, str]]:
        path = self.path.with_name(self.path.name.removesuffix(_SUFFIX) + suffix)
        if not path.exists():
            return []
        assert path.read_bytes().startswith(b"\xef\xbb\xbf"), f"{path.name} has no BOM: a spreadsheet would misread it"
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file, strict=True))


def reports(outbox: Path, name: str = "", *, short_id: str = "") -> list[Report]:
    """Every report in an outbox, or those about drops called `name`, or about one import, oldest first."""
    found = [Report.read(path) for path in outbox.glob(f"*{short_id}{_SUFFIX}")]
    return sorted(
        (r for r in found if not name or r.status["file"]["name"] == name), key=lambda r: r.status["created_at"]
    )


def assert_reconciles(report: Report) -> None:
    """Every row of a completed import is accounted for, and the report's parts agree with one another."""
    status, stats, errors, rejects = report.status, report.stats, report.errors, report.rejects
    assert status["schema"] == "ingester.status/1"
    assert status["status"] == "completed", report.brief()
    refused = stats["error_rows"] + stats["duplicate_rows"]
    assert stats["total_rows"] == stats["valid_rows"] + refused
    assert stats["valid_rows"] == (
        stats["created_count"] + stats["updated_count"] + stats["skipped_count"] + stats["deleted_count"]
    )
    if status["outcome"] == "duplicate":
        # Nothing was read: another import accounts for the same rows.
        assert (stats["total_rows"], status["phases"], errors, rejects) == (stats["duplicate_rows"], [], [], [])
        assert status["duplicate_of"] not in (None, status["id"])
        return
    expected = "accepted" if not refused else "partial" if stats["valid_rows"] else "rejected"
    assert status["outcome"] == expected, report.brief()

    assert len(rejects) == refused
    if rejects:
        assert list(rejects[0])[-3:] == MARKS
        # The whole id: a spreadsheet reads short ids such as 1234e567 as numbers.
        assert {row["_import"] for row in rejects} == {status["id"]}
    if errors:
        assert list(errors[0]) == ERROR_COLUMNS
    in_rows = {int(line["row"]) for line in errors if line["row"] and line["severity"] == "error"}
    if all(line["row"] for line in errors):
        assert in_rows == {int(row["_row"]) for row in rejects}
    assert all(int(line["row"]) <= stats["total_rows"] for line in errors if line["row"])
    assert {(c["code"], c["field"] or "", c["severity"]): c["rows"] for c in status["counts"]} == Counter(
        (line["code"], line["field"], line["severity"]) for line in errors
    )
    first = [entry for entry in errors if entry["severity"] == "error"][:25]
    assert [entry["code"] for entry in status["errors"]] == [line["code"] for line in first]

    assert [phase["name"] for phase in status["phases"]] == PHASES
    for phase in status["phases"]:
        assert phase["processed"] == phase["success"] + phase["error"], phase
        assert phase["processed"] <= phase["total"], phase
    instants = [datetime.fromisoformat(status[key]) for key in ("created_at", "started_at", "completed_at")]
    assert all(instant.tzinfo for instant in instants)
    assert instants == sorted(instants)
