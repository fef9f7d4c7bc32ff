"""What every contender is given: files whose truth is known, a folder and a database of its own for one round."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.benchmarks.generate import write_customers, write_territories

#: The share of bad rows, if nothing else is said.
BAD = 0.01
#: What is far slower than the rest gets one row of so many.
PART = 50


@dataclass(frozen=True)
class CustomerFile:
    """A customer file and what is wrong in it: rows by notice code, one bad cell each."""

    path: str
    rows: int
    faults: dict[str, int]

    @property
    def bad(self) -> int:
        """Rows that are refused."""
        return sum(self.faults.values())

    @property
    def bad_alone(self) -> int:
        """Rows that are refused by what the file alone can tell: a reference needs a database to see."""
        return self.bad - self.faults.get("reference_not_found", 0)


@dataclass(frozen=True)
class Course:
    """The files by what they are for, a folder that lasts for one round, and the URL of an empty database."""

    files: dict[str, CustomerFile]
    territories: str
    folder: str
    database_url: str = ""

    def dump(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, line: str) -> Course:
        """What `dump` wrote."""
        given = json.loads(line)
        files = {name: CustomerFile(**file) for name, file in given.pop("files").items()}
        return cls(files=files, **given)


def write(
    folder: Path, rows: int, names: tuple[str, ...] = ("customers", "changed", "clean", "half", "part")
) -> Course:
    """Write files of `rows` rows; the course has no database yet, and its folder is that of the files.

    `customers` has 1 % bad rows; `changed` is the same but for 1 % of the balances; `clean` and `half` have 0 and 50 %
    bad rows; `part` is a short `customers`.
    """
    errors = {"clean": 0.0, "half": 0.5}
    files = {}
    for name in names:
        path, count = folder / f"{name}.csv", rows // PART if name == "part" else rows
        changed = 0.01 if name == "changed" else 0.0
        faults = write_customers(path, count, errors=errors.get(name, BAD), changed=changed)
        files[name] = CustomerFile(str(path), count, dict(faults))
    territories = folder / "territories.csv"
    write_territories(territories)
    return Course(files, str(territories), str(folder))
