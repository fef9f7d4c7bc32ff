"""The error and rejects CSVs, byte for byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingester.formats.opening import open_drop
from ingester.outbox import report
from ingester.outbox.report import Report
from ingester.ruleset.columns import match_columns
from ingester.ruleset.model import Entity, Field
from ingester.spill.notices import Kind, Notices
from ingester.spill.verdict import Verdict

ENTITY = Entity(
    catalogue="shop",
    name="place",
    primary_key=("region", "number"),
    fields=(Field(name="region"), Field(name="number"), Field(name="note")),
)
CONTENT = 'region,number,note\r\nn,1,fine\r\ns,2,"two\r\nlines"\r\n\r\n-w,3,=cmd()\r\ne,"4","say ""hi"""\r\n'
BOM = "\ufeff"


class Written:
    """One file's report, from the notices that a test puts to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "drop").write_bytes(CONTENT.encode())
        self.reader = open_drop(folder / "drop", "drop.csv", folder).reader()
        self.notices, self.verdict = Notices(folder), Verdict()
        for block in self.reader.blocks():
            self.verdict.extend(int(block.rows[-1].as_py()))

    def strike(self, stream: str, kind: Kind, *rows: int) -> None:
        self.verdict.reject(self.notices.add(stream, [(kind, np.array(rows, np.int64))]))

    def write(self) -> Report:
        columns = list(match_columns(self.reader.header, ENTITY))
        paths = (self.folder / "errors", self.folder / "rejects")
        return report.write(self.reader, columns, ENTITY.primary_key, self.notices, self.verdict, "import-1", *paths)

    def text(self, name: str) -> str:
        return (self.folder / name).read_bytes().decode()


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


def kind(code: str, *fields: str, message: str = "said") -> Kind:
    return Kind(code, fields, message)


def test_where_there_is_nothing_to_say_there_is_no_file(written: Written) -> None:
    made = written.write()
    assert (made.errors_written, made.rejects_written, made.errors, made.warnings) == (False, False, [], [])
    assert not (written.folder / "errors").exists()
    assert not (written.folder / "rejects").exists()


def test_errors_and_rejects_are_what_the_contract_says(written: Written) -> None:
    written.strike("prevalidation", kind("too_long", "note", message="Too, long"), 2, 3)
    written.strike("validation", kind("reference_not_found", "region", "number"), 2)
    written.write()
    assert written.text("errors") == BOM + (
        '"row","line","key","field","code","severity","message","value","hint"\n'
        '2,3,"s|2","note","too_long","error","Too, long","two\r\nlines","Shorten the value."\n'
        '2,3,"s|2","region|number","reference_not_found","error","said","s|2",'
        '"Send the referenced record first, or correct the key."\n'
        '3,6,"\'-w|3","note","too_long","error","Too, long","\'=cmd()","Shorten the value."\n'
    )
    assert written.text("rejects") == BOM + (
        '"region","number","note","_import","_row","_errors"\n'
        '"s","2","two\r\nlines","import-1",2,"note: Too, long; region|number: said"\n'
        '"\'-w","3","\'=cmd()","import-1",3,"note: Too, long"\n'
    )


def test_notices_of_the_file_come_first_and_have_no_row(written: Written) -> None:
    written.notices.add_to_file("unknown_column", (), expected="'=x'", value="=x")
    written.strike("prevalidation", kind("required", "note"), 4)
    made = written.write()
    first, second = written.text("errors").splitlines()[1:]
    assert first.startswith(',,,,"unknown_column","warning",')
    assert '"\'=x"' in first
    assert second.startswith('4,7,"e|4","note","required"')
    assert [warning["row"] for warning in made.warnings] == [None]
    assert [error["row"] for error in made.errors] == [4]


def test_warnings_alone_reject_nothing(written: Written) -> None:
    written.notices.add_to_file("unknown_column", (), expected="'x'", value="x")
    made = written.write()
    assert (made.errors_written, made.rejects_written) == (True, False)
    assert not (written.folder / "rejects").exists()


def test_a_quote_is_doubled_and_comes_back(written: Written) -> None:
    written.strike("prevalidation", kind("too_long", "note"), 4)
    written.write()
    assert '"e","4","say ""hi""","import-1",4,' in written.text("rejects")
