"""Libraries that do the same as we do, or part of it, each in the way that is fastest for it here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.course import Course
from tests.benchmarks.generate import HEADER, LIFECYCLE
from tests.benchmarks.inprocess import Clock

_EMAIL = r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$"


def pandera(course: Course, clock: Clock) -> None:
    """Pandera on polars (twice as fast as on pandas), lazily: all failures with row and value, in memory."""
    import pandera.polars as pa
    import polars
    from pandera.errors import SchemaErrors

    def is_date(data: pa.PolarsData) -> polars.LazyFrame:
        cell = polars.col(data.key)
        written_so = cell.str.contains(r"^\d{4}-\d{2}-\d{2}$")
        return data.lazyframe.select(written_so & cell.str.to_date("%Y-%m-%d", strict=False).is_not_null())

    file = course.files["customers"]
    schema = pa.DataFrameSchema(
        {
            "external_id": pa.Column(str, unique=True),
            "email": pa.Column(str, pa.Check.str_matches(_EMAIL), nullable=True),
            "lifecycle_status": pa.Column(str, pa.Check.isin(LIFECYCLE), nullable=True),
            "created_on": pa.Column(str, pa.Check(is_date), nullable=True),
            "balance": pa.Column(str, pa.Check.str_matches(r"^[+-]?\d+(\.\d+)?$"), nullable=True),
        }
    )
    with clock("validate"):
        frame = polars.read_csv(file.path, infer_schema=False)
        try:
            schema.validate(frame, lazy=True)
            raise AssertionError("every file has bad rows")
        except SchemaErrors as errors:
            failures = errors.failure_cases
    # It calls several empty keys equal as well.
    found = len(failures) - len(failures.filter(check="field_uniqueness"))
    _expect(found, file.bad_alone)


def frictionless(course: Course, clock: Clock) -> None:
    """Frictionless on a part of the file: a few hundred times slower than the others."""
    from frictionless import Resource, Schema, system

    file = course.files["part"]
    kinds: dict[str, dict[str, Any]] = {
        "email": {"format": "email"},
        "lifecycle_status": {"constraints": {"enum": [*LIFECYCLE]}},
        "created_on": {"type": "date"},
        "balance": {"type": "number"},
    }
    fields = [{"name": name, "type": "string", **kinds.get(name, {})} for name in HEADER]
    schema = Schema.from_descriptor({"fields": fields, "primaryKey": "external_id", "missingValues": [""]})
    with clock("validate"), system.use_context(trusted=True):
        report = Resource(path=file.path, schema=schema).validate(limit_errors=file.rows)
    # It takes 2020-1-5 for a date.
    found = [field for (field,) in report.flatten(["fieldName"]) if field not in ("created_on", "balance")]
    _expect(len(found), file.bad_alone - file.faults.get("invalid_type", 0))


def dlt(course: Course, clock: Clock) -> None:
    """Merge with dlt by its default strategy, from Arrow tables, which it takes four times as fast as rows.

    Into SQLite once only: its second merge has no index to work with and needs hours.
    """
    # Then it sends nothing; it still leaves a file with an id in ~/.dlt, or /var/dlt as root.
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(Path(course.folder, "dlt"))}
    import dlt
    import pyarrow
    from pyarrow import csv

    file = course.files["customers"]

    @dlt.resource(
        name="customer",
        primary_key="external_id",
        write_disposition="merge",
        columns={name: {"data_type": "text", "nullable": True} for name in HEADER},
    )
    def customers() -> Iterator[pyarrow.Table]:
        convert = csv.ConvertOptions(column_types=dict.fromkeys(HEADER, pyarrow.string()))
        for batch in csv.open_csv(
            file.path, convert_options=convert, read_options=csv.ReadOptions(block_size=16 << 20)
        ):
            yield pyarrow.Table.from_batches([batch])

    postgres = course.database_url.startswith("postgresql")
    if postgres:
        from sqlalchemy import make_url

        url = make_url(course.database_url)
        # It knows hosts only; the driver takes a quoted folder for one.
        host = re.sub("/", "%2F", str(url.query["host"])) if url.host is None else url.host
        destination: Any = dlt.destinations.postgres(
            {
                "host": host,
                "port": url.port or 5432,
                "username": url.username,
                "password": url.password or "none",
                "database": url.database,
            }
        )
    else:
        destination = dlt.destinations.sqlalchemy(f"sqlite:///{Path(course.folder, 'dlt.db')}")
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(Path(course.folder, "pipelines")),
        destination=destination,
        dataset_name="bench",
    )
    loader: dict[str, Any] = {"loader_file_format": "csv"} if postgres else {}
    laps = ("first", "again") if postgres else ("first",)
    for lap in laps:
        with clock(lap):
            pipeline.run(customers(), **loader)
    with pipeline.sql_client() as client:
        ((found,),) = client.execute_sql("SELECT count(*) FROM customer") or ()
    # Of the rows without a key it keeps one, but never finds it again.
    keyless = file.faults.get("required", 0)
    _expect(found, file.rows - keyless + min(keyless, len(laps)))


def _expect(found: object, expected: object) -> None:
    """Nobody is fast by being wrong."""
    if found != expected:
        raise AssertionError(f"found {found}, the file has {expected}")
