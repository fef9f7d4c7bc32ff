"""Every action, duplicate policy and meaning of empty cells, on both databases, against a small model in plain Python.

The model is written from the words of the contract and shares nothing with the engine. What it foretells, a dry run
must foretell too; the live import must do it; and SQLite and PostgreSQL must come to the same.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from ingester.domain.status import Action, DuplicateHandling
from ingester.ruleset.load import load_folder
from ingester.ruleset.model import RuleSet
from tests.examples import examples
from tests.integration.engine.harness import Engine
from tests.postgres import Postgres
from tests.report import Report, assert_reconciles
from tests.stored import Row

RULES = {
    "kind": """
name: kind
primaryKey: external_id
fields:
  - {name: external_id, constraints: {required: true}}
  - {name: label, constraints: {required: true}}
""",
    "place": """
name: place
primaryKey: [region, code]
fields:
  - {name: region, constraints: {required: true}}
  - {name: code, type: integer, constraints: {required: true}}
""",
    "item": """
name: item
tier: 2
primaryKey: external_id
fields:
  - {name: external_id, constraints: {required: true}}
  - {name: label, constraints: {required: true}}
  - {name: sku, constraints: {unique: true}}
  - {name: price, type: number, constraints: {minimum: 0}}
  - {name: stock, type: integer, default: 7}
  - {name: parent_external_id}
  - {name: twin_external_id}
  - {name: kind_external_id}
  - {name: region}
  - {name: code, type: integer}
foreignKeys:
  - {fields: parent_external_id, reference: {resource: item, fields: external_id}}
  - {fields: twin_external_id, reference: {resource: item, fields: external_id}, scope: tenant}
  - {fields: kind_external_id, reference: {resource: kind, fields: external_id}}
  - {fields: [region, code], reference: {resource: place, fields: [region, code]}}
checks:
  - {code: too_dear, assert: price < stock + 1, fields: [price], message: Too dear}
  - {code: no_sku, assert: "label != 'y' or sku is not None", fields: [sku], message: Needs a SKU}
""",
}
FIELDS = {
    "item": [
        *("external_id", "label", "sku", "price", "stock", "parent_external_id", "twin_external_id"),
        *("kind_external_id", "region", "code"),
    ],
    "kind": ["external_id", "label"],
}
#: Of an item: the columns that refer, and the entity and id column that they lead to.
REFERENCES = {
    ("parent_external_id",): ("item", "parent_id"),
    ("twin_external_id",): ("item", "twin_id"),
    ("kind_external_id",): ("kind", "kind_id"),
    ("region", "code"): ("place", "place_id"),
}
KEYS = {"item": ("external_id",), "kind": ("external_id",), "place": ("region", "code")}
POLICIES = list(DuplicateHandling)
MINE = "default"
NUMBERS = itertools.count()

ITEM_KEYS = [f"k{number}" for number in range(6)]
CELLS = {
    "external_id": st.sampled_from([*ITEM_KEYS * 4, "c0", "c1", "c1", ""]),
    "label": st.sampled_from(["x", "x", "y", 'ä,"b', ""]),
    "sku": st.sampled_from(["", "s1", "s2", "s3", "s4", "s5", "s6"]),
    "price": st.sampled_from(["", "1", "1.0", "2.50", "123456789012345678.10", "x", "-1"]),
    "stock": st.sampled_from(["", "1", "+1", "2", "x"]),
    "parent_external_id": st.sampled_from(["", "", *ITEM_KEYS, "nobody"]),
    "twin_external_id": st.sampled_from(["", "", *ITEM_KEYS[:3], "c0", "c0", "c1"]),
    "kind_external_id": st.sampled_from(["", "A", "B", "B", "nobody"]),
    "region": st.sampled_from(["", "n", "n", "s"]),
    "code": st.sampled_from(["", "1", "01", "2"]),
}
KIND_CELLS = {"external_id": st.sampled_from(["A", "B", "C", "D"]), "label": st.sampled_from(["x", "y", ""])}

Cells = Sequence[str]
#: Row, code and field.
Found = tuple[int, str, str]
#: (source, key)
Name = tuple[str, tuple[object, ...]]
Record = dict[str, object]


@dataclass(frozen=True)
class File:
    """A file as sent."""

    entity: str
    columns: Sequence[str]
    rows: Sequence[Cells]

    def text(self) -> str:
        text = io.StringIO(newline="")
        csv.writer(text).writerows([self.columns, *self.rows])
        return text.getvalue()

    @property
    def name(self) -> str:
        return f"{self.entity}s.csv"


@st.composite
def files(draw: st.DrawFn, entity: str, action: Action) -> File:
    cells = CELLS if entity == "item" else KIND_CELLS
    required = FIELDS[entity][: 1 if action in (Action.UPDATE, Action.DELETE) else 2]
    optional = [name for name in FIELDS[entity] if name not in required and draw(st.booleans())]
    columns = draw(st.permutations([*required, *optional]))
    one_row = st.tuples(*(cells[name] for name in columns)).map(list)
    rows = draw(st.lists(one_row, min_size=1, max_size=9))
    if draw(st.integers(0, 3)) == 0:
        rows.insert(0, rows[-1])
    if len(columns) > 1 and draw(st.integers(0, 5)) == 0:
        # Not the last one: that would be a file that was cut off.
        rows.insert(0, draw(st.sampled_from([["k1"], ["k1", *"abcdefghijk"]])))
    return File(entity, columns, rows)


# --- the model -------------------------------------------------------------------------------------------------------


@dataclass
class Shop:
    """All records of one tenant by entity, source and key."""

    records: dict[str, dict[Name, Record]] = field(default_factory=lambda: {name: {} for name in RULES})

    def find(self, entity: str, key: tuple[object, ...], *, anywhere: bool = False) -> Name | str | None:
        """The record that a reference names: none, or `ambiguous`."""
        if (MINE, key) in self.records[entity]:
            return MINE, key
        others = [name for name in self.records[entity] if name[1] == key] if anywhere else []
        return "ambiguous" if len(others) > 1 else others[0] if others else None

    def referring(self, entity: str) -> Iterator[tuple[str, Name, Name]]:
        """Which records refer to those of an entity: whose, which, to which."""
        for name, record in self.records["item"].items():
            for to, column in REFERENCES.values():
                if to == entity and record.get(column) is not None:
                    yield "item", name, record[column]  # type: ignore[misc]  # references are names


@dataclass
class Told:
    """What an import does, as far as it can be foretold."""

    errors: set[int] = field(default_factory=set)
    duplicates: set[int] = field(default_factory=set)
    #: What is found after the cells were looked at; row 0 is the file.
    notices: Counter[Found] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    touched: set[Name] = field(default_factory=set)

    def good(self, row: int) -> bool:
        return row not in self.errors | self.duplicates


def value(name: str, cell: str, *, label_required: bool) -> tuple[object, bool]:
    """What a cell says, and whether it must not say so."""
    if cell == "":
        return None, name == "external_id" or (name == "label" and label_required)
    if name == "price":
        if not re.fullmatch(r"-?[0-9.]+", cell):
            return None, True
        return Decimal(cell), Decimal(cell) < 0
    if name in ("stock", "code"):
        return (int(cell), False) if re.fullmatch(r"\+?[0-9]+", cell) else (None, True)
    return cell, False


def _is_too_dear(item: Record) -> bool:
    price, stock = item["price"], item["stock"]
    return isinstance(price, Decimal) and isinstance(stock, int) and not price < stock + 1


#: Code, the field that is named, the fields that are asked for, and which items fail.
CHECKS: list[tuple[str, str, set[str], Callable[[Record], bool]]] = [
    ("too_dear", "price", {"price", "stock"}, _is_too_dear),
    ("no_sku", "sku", {"label", "sku"}, lambda item: item["label"] == "y" and item["sku"] is None),
]


class Model:
    """One import of a file into a shop."""

    def __init__(self, shop: Shop, file: File, action: Action, policy: DuplicateHandling, *, erases: bool) -> None:
        self.shop, self.file, self.action, self.policy, self.erases = shop, file, action, policy, erases
        self.told = Told()
        self.columns = [name for name in file.columns if action is not Action.DELETE or name == "external_id"]
        self.rows: dict[int, Record] = {}
        #: The cells of each row that are not of their type.
        self.unread: dict[int, set[str]] = {}
        self.stored = {name: record for name, record in shop.records[file.entity].items() if name[0] == MINE}

    def run(self) -> Told:
        self.read()
        self.duplicates()
        self.judge()
        good = {number: row for number, row in self.rows.items() if self.told.good(number)}
        if self.action is Action.DELETE:
            for row in good.values():
                del self.shop.records[self.file.entity][self.name(row)]
            self.told.counts["deleted"] = len(good)
        else:
            self.coming = {self.name(row) for row in good.values()}
            for row in good.values():
                self.merge(row)
        if self.action is Action.OVERWRITE:
            self.clean()
        return self.told

    def name(self, row: Record) -> Name:
        return MINE, (row["external_id"],)

    def read(self) -> None:
        for number, cells in enumerate(self.file.rows, start=1):
            if len(cells) != len(self.file.columns):
                self.told.errors.add(number)
                continue
            # An update need not say it again, but may not erase it.
            required = self.action is not Action.UPDATE or self.erases
            pairs = zip(self.file.columns, cells, strict=True)
            said = {name: value(name, cell, label_required=required) for name, cell in pairs}
            self.rows[number] = {name: said[name][0] for name in self.columns}
            cells_of = dict(zip(self.file.columns, cells, strict=True))
            self.unread[number] = {name for name in self.columns if cells_of[name] and said[name][0] is None}
            if any(said[name][1] for name in self.columns):
                self.told.errors.add(number)

    def duplicates(self) -> None:
        groups = defaultdict(list)
        for number, row in self.rows.items():
            if self.told.good(number):
                groups[row["external_id"]].append(number)
        for numbers in groups.values():
            same = all(self.rows[number] == self.rows[numbers[0]] for number in numbers)
            kept = {DuplicateHandling.USE_FIRST: numbers[:1], DuplicateHandling.USE_LAST: numbers[-1:]}
            keep = numbers[:1] if same else kept.get(self.policy, [])
            for number in numbers if len(numbers) > 1 else []:
                if number not in keep:
                    self.told.duplicates.add(number)
                    self.told.notices[number, "identical_row" if same else "duplicate_row", "external_id"] += 1

    def judge(self) -> None:
        """What rows say of other records; a row may lean on another row and falls when that one does."""
        failing = list(self.of_checks()) if self.file.entity == "item" else []
        self.told.errors |= {number for number, _, _ in failing}
        self.told.notices.update(failing)
        wrong, leaning = list(self.of_themselves()), []
        for found, on in [*self.of_others(), *self.of_values(), *self.of_referring()]:
            if on:
                leaning.append((found, on))
            else:
                wrong.append(found)
        told = self.told
        told.errors |= {number for number, _, _ in wrong}
        fallen: set[Found] = set()
        while new := {found for found, on in leaning if not told.good(on)} - fallen:
            fallen |= new
            told.errors |= {number for number, _, _ in new}
        told.notices.update(wrong)
        told.notices.update(fallen)
        told.duplicates -= told.errors

    def of_checks(self) -> Iterator[Found]:
        """Rows that make a record which the rules forbid, whichever record they may be about."""
        if self.action is Action.DELETE:
            return
        nothing: Record = dict.fromkeys(FIELDS["item"])
        for number, row in self.rows.items():
            said = {name: given for name, given in row.items() if given is not None}
            said |= dict.fromkeys(self.unread[number])
            new = {**nothing, "stock": 7, **said}
            known = self.stored.get(self.name(row))
            if self.erases:
                said = {**row, **said}
            if self.action is Action.CREATE:
                afters = [new]
            elif row["external_id"] is None or (self.action is Action.UPDATE and not known):
                # About nobody knows which record: wrong whatever that one holds.
                some = {**nothing, "sku": "some", "label": "x", "price": Decimal(0), "stock": 0}
                afters = [{**each, **said} for each in (nothing, some)] + ([new] if not self.erases else [])
            else:
                afters = [{**known, **said} if known else new]
            for code, column, uses, fails in CHECKS:
                here = uses & set(self.columns)
                says = any(row[name] is not None for name in here) or (self.erases and here)
                if known and self.action is not Action.CREATE and not says:
                    continue
                if uses & self.unread[number] and code == "too_dear":
                    continue
                if all(fails(each) for each in afters):
                    yield number, code, column

    def of_themselves(self) -> Iterator[Found]:
        for number, row in self.rows.items():
            known = self.name(row) in self.stored
            if row["external_id"] is not None:
                if self.action is Action.CREATE and known:
                    yield number, "already_exists", "external_id"
                if self.action in (Action.UPDATE, Action.DELETE) and not known:
                    yield number, "not_found", "external_id"
            if len({"region", "code"} & set(self.columns)) and self.file.entity == "item":
                given = [row.get(name) is not None for name in ("region", "code")]
                if any(given) and not all(given):
                    yield number, "incomplete_reference", "region|code"

    def of_others(self) -> Iterator[tuple[Found, int]]:
        offered = {row["external_id"]: number for number, row in self.rows.items() if self.told.good(number)}
        for columns, (entity, _) in self.references():
            for number, row in self.rows.items():
                key = tuple(row[name] for name in columns)
                if None in key:
                    continue
                found = self.shop.find(entity, key, anywhere=columns == ("twin_external_id",))
                on = offered.get(key[0], 0) if entity == self.file.entity else 0
                if on == number:
                    continue
                if found == "ambiguous":
                    yield (number, "ambiguous_reference", "|".join(columns)), on
                elif found is None:
                    yield (number, "reference_not_found", "|".join(columns)), on

    def references(self) -> list[tuple[tuple[str, ...], tuple[str, str]]]:
        if self.file.entity != "item":
            return []
        return [(columns, to) for columns, to in REFERENCES.items() if set(columns) <= set(self.columns)]

    def of_values(self) -> Iterator[tuple[Found, int]]:
        if "sku" not in self.columns:
            return
        good = {n: row for n, row in self.rows.items() if self.told.good(n)}
        often = Counter(row["sku"] for row in good.values())
        leaving = self.surely_leaving()
        for number, row in good.items():
            if row["sku"] is None:
                continue
            if often[row["sku"]] > 1:
                yield (number, "not_unique", "sku"), 0
            for holder, record in self.stored.items():
                if record["sku"] == row["sku"] and holder != self.name(row) and holder not in leaving:
                    # Its own row gives the holder another value, or takes the value from it.
                    frees = [n for n, r in good.items() if self.name(r) == holder and (self.erases or r["sku"])]
                    yield (number, "value_taken", "sku"), frees[0] if frees else 0

    def surely_leaving(self) -> set[Name]:
        """Records that an overwrite removes, whichever of its rows may yet be refused."""
        if self.action is not Action.OVERWRITE or self.keeps_all():
            return set()
        good = [number for number in self.rows if self.told.good(number)]
        return self.leaving([*self.shop.referring(self.file.entity), *self.own_references(good)])[0]

    def own_references(self, numbers: list[int]) -> Iterator[tuple[str, Name, Name]]:
        """Which records of their own kind rows refer to, as `Shop.referring` says it."""
        for row in (self.rows[number] for number in numbers):
            for columns, (entity, _) in self.references():
                found = self.shop.find(entity, tuple(row[name] for name in columns), anywhere="twin" in columns[0])
                if entity == self.file.entity and isinstance(found, tuple):
                    yield entity, self.name(row), found

    def of_referring(self) -> Iterator[tuple[Found, int]]:
        if self.action is not Action.DELETE:
            return
        leaving = {self.name(row): number for number, row in self.rows.items() if self.told.good(number)}
        found = set()
        for entity, who, whom in self.shop.referring(self.file.entity):
            if whom in leaving and who != whom:
                found.add((leaving[whom], leaving.get(who, 0) if entity == self.file.entity else 0))
        for number, on in sorted(found):
            yield (number, "still_referenced", "external_id"), on

    def merge(self, row: Record) -> None:
        records, name = self.shop.records[self.file.entity], self.name(row)
        said = dict(row)
        for columns, (entity, column) in self.references():
            key = tuple(row[each] for each in columns)
            # Whoever comes with this file goes before other sources' records.
            comes = entity == self.file.entity and (MINE, key) in self.coming
            found = (MINE, key) if comes else self.shop.find(entity, key, anywhere=columns == ("twin_external_id",))
            said[column] = None if None in key else found
        if self.erases and self.file.entity == "item" and len({"region", "code"} & set(self.columns)) == 1:
            said["place_id"] = None
        if name not in self.stored:
            new: Record = dict.fromkeys(FIELDS[self.file.entity])
            if self.file.entity == "item":
                new |= dict.fromkeys(column for _, column in REFERENCES.values())
                new["stock"] = 7
            new |= {column: given for column, given in said.items() if given is not None}
            records[name] = new
            self.told.counts["created"] += 1
            self.told.touched.add(name)
            return
        before = dict(records[name])
        records[name] |= {column: given for column, given in said.items() if given is not None or self.erases}
        changed = before != records[name]
        self.told.counts["updated" if changed else "skipped"] += 1
        self.told.touched |= {name} if changed else set()

    def keeps_all(self) -> bool:
        """Whether a row may be about any record."""
        return any(row["external_id"] is None for row in self.rows.values()) or len(self.rows) < len(self.file.rows)

    def leaving(self, refers: list[tuple[str, Name, Name]]) -> tuple[set[Name], set[str]]:
        """The records without a row which nobody who stays refers to; and what kinds of records kept others."""
        leaving = set(self.stored) - {self.name(row) for row in self.rows.values()}
        kept_by: set[str] = set()
        while kept := {
            (entity, whom)
            for entity, who, whom in refers
            if whom in leaving and not (entity == self.file.entity and who in leaving)
        }:
            kept_by |= {entity for entity, _ in kept}
            leaving -= {whom for _, whom in kept}
        return leaving, kept_by

    def clean(self) -> None:
        if self.keeps_all():
            self.told.notices[0, "cleanup_skipped", ""] += 1
            return
        records = self.shop.records[self.file.entity]
        refused = [number for number in self.rows if not self.told.good(number)]
        leaving, kept_by = self.leaving([*self.shop.referring(self.file.entity), *self.own_references(refused)])
        for name in leaving:
            del records[name]
        self.told.notices.update((0, "kept_referenced", "") for _ in kept_by)
        self.told.counts["removed"] = len(leaving)


# --- the engines -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[list[Engine]]:
    folder = tmp_path_factory.mktemp("engines")
    (folder / "depot").mkdir()
    for name, rule in RULES.items():
        (folder / "depot" / f"{name}.yaml").write_text(rule)
    rules = RuleSet({"depot": load_folder(folder / "depot")})
    url = postgres.create_database()
    engines = [Engine(folder / "sqlite", rules), Engine(folder / "postgres", rules, database=url)]
    yield engines
    for engine in engines:
        engine.close()
    postgres.drop_database(url)


def stored(engine: Engine, tenant: str) -> dict[str, list[Row]]:
    return {name: engine.rows(name, tenant=tenant) for name in RULES}


def named(tables: dict[str, list[Row]]) -> dict[str, dict[Name, Record]]:
    """Stored records as the model has them. Every id must be that of the very record that the columns name."""
    names = {
        entity: {row["id"]: (row["source"], tuple(row[name] for name in KEYS[entity])) for row in rows}
        for entity, rows in tables.items()
    }
    found: dict[str, dict[Name, Record]] = {}
    for entity, rows in tables.items():
        found[entity] = {}
        for row in rows:
            record = {name: row[name] for name in FIELDS.get(entity, KEYS[entity])}
            for columns, (to, column) in REFERENCES.items() if entity == "item" else []:
                key = tuple(row[name] for name in columns)
                record[column] = None if row[column] is None else names[to][row[column]]
                assert (row[column] is None) == (None in key), f"{row} and its {column}"
                assert row[column] is None or names[to][row[column]][1] == key, f"{row} and its {column}"
            if entity == "item" and record["price"] is not None:
                record["price"] = Decimal(str(record["price"]))
            found[entity][names[entity][row["id"]]] = record
    return found


def differences(found: dict[str, dict[Name, Record]], wanted: dict[str, dict[Name, Record]]) -> dict[Name, object]:
    """What is stored and what should be, by record and column."""
    unlike: dict[Name, object] = {}
    for entity in RULES:
        for name in found[entity].keys() | wanted[entity].keys():
            one, other = found[entity].get(name), wanted[entity].get(name)
            if one is None or other is None:
                unlike[name] = (one, other)
            elif one != other:
                unlike[name] = {c: (one.get(c), other.get(c)) for c in one | other if one.get(c) != other.get(c)}
    return unlike


def told_alike(report: Report) -> dict[str, object]:
    """All that two reports about one file must have in common."""
    rejects = [{name: cell for name, cell in row.items() if name != "_import"} for row in report.rejects]
    names = ("outcome", "stats", "counts", "columns", "detected", "not_checked", "errors", "warnings")
    return {name: report.status[name] for name in names} | {"lines": report.errors, "rejects": rejects}


def phases(report: Report) -> list[tuple[object, ...]]:
    names = ("name", "status", "total", "processed", "success", "error", "skipped_reason")
    return [tuple(phase[name] for name in names) for phase in report.status["phases"]]


def assert_foretold(report: Report, told: Told, file: File) -> None:
    assert_reconciles(report)
    stats = report.stats
    assert stats["total_rows"] == len(file.rows)
    rejected = {int(row["_row"]) for row in report.rejects}
    assert rejected == told.errors | told.duplicates
    assert (stats["error_rows"], stats["duplicate_rows"]) == (len(told.errors), len(told.duplicates))
    found = Counter(
        (int(line["row"] or 0), line["code"], line["field"]) for line in report.errors if line["code"] in LATE
    )
    assert (found - told.notices, told.notices - found) == (Counter(), Counter()), "found too much, found too little"
    counts = {name.removesuffix("_count"): n for name, n in stats.items() if name.endswith("_count") and n}
    assert counts == {name: n for name, n in told.counts.items() if n}


#: Codes of what is found after the cells were looked at; what is found in them is another test's.
LATE = {
    *("identical_row", "duplicate_row", "already_exists", "not_found", "incomplete_reference", "ambiguous_reference"),
    *("reference_not_found", "not_unique", "value_taken", "still_referenced", "cleanup_skipped", "kept_referenced"),
    *("too_dear", "no_sku"),
}


@dataclass
class Both:
    """Two engines and the model, doing the same."""

    engines: list[Engine]
    tenant: str
    shop: Shop

    def take(self, file: File, action: Action, policy: DuplicateHandling, *, erases: bool, dry_run: bool) -> None:
        told = Model(self.shop, file, action, policy, erases=erases).run()
        wanted = {
            "action": action,
            "duplicate_handling": policy,
            "empty_erases": erases,
            "removal_guard_percent": 100,
        }
        reports = []
        for engine in self.engines:
            before = stored(engine, self.tenant)
            predicted = None
            if dry_run:
                predicted = engine.take(file.name, file.text(), tenant=self.tenant, dry_run=True, **wanted)
                assert stored(engine, self.tenant) == before, "a dry run wrote a record"
            live = engine.take(file.name, file.text(), tenant=self.tenant, **wanted)
            assert_foretold(live, told, file)
            if predicted is not None:
                assert told_alike(predicted) == told_alike(live)
            after = stored(engine, self.tenant)
            assert differences(named(after), self.shop.records) == {}
            self.assert_untouched(before[file.entity], after[file.entity], told, live)
            reports.append(live)
            assert engine.leftovers() == []
        assert told_alike(reports[0]) == told_alike(reports[1])
        assert phases(reports[0]) == phases(reports[1])

    def assert_untouched(self, before: list[Row], after: list[Row], told: Told, live: Report) -> None:
        """What did not change was not written; what did, keeps its id and its birthday."""
        known = {row["id"]: row for row in before}
        for row in after:
            if (row["source"], (row["external_id"],)) not in told.touched:
                assert row == known[row["id"]]
                continue
            assert row["import_id"] == live.status["id"]
            if row["id"] in known:
                assert row["created_at"] == known[row["id"]]["created_at"]


def new_shop(engines: list[Engine]) -> Both:
    """A tenant of one's own with places and kinds, and with items in two other sources."""
    tenant = f"tenant{next(NUMBERS)}"
    for engine in engines:
        engine.add_tenant(tenant)
        engine.take("places.csv", "region,code\nn,1\nn,2\ns,1\n", tenant=tenant)
        engine.take("kinds.csv", "external_id,label\nA,a\nB,b\n", tenant=tenant)
        engine.take("items.csv", "external_id,label\nc0,c\nc1,c\n", tenant=tenant, source="crm")
        engine.take("items.csv", "external_id,label\nc1,c\n", tenant=tenant, source="erp")
    return Both(engines, tenant, Shop(named(stored(engines[0], tenant))))


def histories(action: Action) -> st.SearchStrategy[list[tuple[File, File, bool]]]:
    """For each policy: a file to merge first, a file for the action, and whether its empty cells erase."""
    entity = st.sampled_from(["item", "item", "kind"] if action in (Action.DELETE, Action.OVERWRITE) else ["item"])
    subject = entity.flatmap(lambda name: files(name, action))
    one = st.tuples(files("item", Action.MERGE), subject, st.booleans())
    return st.lists(one, min_size=len(POLICIES), max_size=len(POLICIES))


def live_through(engines: list[Engine], action: Action, history: list[tuple[File, File, bool]]) -> None:
    both = new_shop(engines)
    for policy, (seed, file, erases) in zip(POLICIES, history, strict=True):
        both.take(seed, Action.MERGE, DuplicateHandling.USE_LAST, erases=not erases, dry_run=False)
        both.take(file, action, policy, erases=erases, dry_run=True)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("action", Action)
@examples(5, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_both_databases_do_what_the_contract_says(engines: list[Engine], action: Action, data: st.DataObject) -> None:
    live_through(engines, action, data.draw(histories(action)))
