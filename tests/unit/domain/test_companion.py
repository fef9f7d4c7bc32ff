"""Which files say something of others, by their names alone."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ingester.domain.companion import MARKER_SUFFIXES, CompanionKind, accompanies, keys, names, recognise, stem
from ingester.domain.reads import Reads


@pytest.mark.parametrize(
    ("name", "kind", "of"),
    [
        ("x.csv.done", "marker", "x.csv"),
        ("x.FIN", "marker", "x"),
        ("x.csv.gz.complete", "marker", "x.csv.gz"),
        ("x.csv.MD5", "md5", "x.csv"),
        ("x.sha256", "sha256", "x"),
        ("x.ctl", "control", "x"),
        ("X.CTL", "control", "X"),
    ],
)
def test_a_companion_is_known_by_its_name(name: str, kind: str, of: str) -> None:
    assert recognise(name, 10, MARKER_SUFFIXES, ["{stem}.ctl"]) == (CompanionKind(kind), of)


@pytest.mark.parametrize("name", ["x.csv", ".done", "done", "x.ctl", "x.done.csv"])
def test_anything_else_is_a_file_of_its_own(name: str) -> None:
    assert recognise(name, 10, MARKER_SUFFIXES) is None


def test_a_large_file_is_never_a_companion_nor_is_what_a_feed_wants_as_data() -> None:
    assert recognise("x.done", 2**16 + 1, MARKER_SUFFIXES) is None
    assert recognise("x.ok", 10, MARKER_SUFFIXES, patterns=["*.OK"]) is None
    assert recognise("x.ok", 10, MARKER_SUFFIXES, patterns=["x*"]) is not None


@pytest.mark.parametrize(
    ("kind", "of", "name", "is_its"),
    [
        ("marker", "x.csv", "X.csv", True),
        ("marker", "x", "x.csv", True),
        ("marker", "x.csv", "x.csv.gz", True),
        ("marker", "x", "x.csv.gz.pgp", True),
        ("marker", "x", "x.y.csv", False),
        ("marker", "x.y", "x.y.csv", True),
        ("md5", "x.csv.gz", "x.csv.gz", True),
        ("md5", "x.csv", "x.csv.gz", False),
        ("md5", "x", "x.csv", True),
        ("control", "y", "x.csv", False),
        ("marker", "u\u0308", "\u00fc.csv", True),
    ],
)
def test_a_companion_calls_its_file_by_its_name_or_less(kind: str, of: str, name: str, is_its: bool) -> None:
    assert accompanies(CompanionKind(kind), of, name) is is_its
    if is_its:
        # As the ledger looks for one by the other.
        assert next(iter(keys(stem(name)))) in keys(of)
        assert names(of) & names(name)


@pytest.mark.parametrize(
    "pattern", ["{stem}", "{name}", "x.ctl", "{stem}{stem}", "a/{stem}.ctl", "{stem}.csv", "{name}.gz"]
)
def test_a_pattern_that_no_control_file_could_be_told_by_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError):
        Reads(control=pattern)


@pytest.mark.parametrize("template", ["", "{rows}", "TRL|{row}", "TRL|{rows}|{rows}", "TRL}", "TRL{any}{rows}"])
def test_a_trailer_that_rows_could_be_is_refused(template: str) -> None:
    with pytest.raises(ValidationError):
        Reads(trailer=template)


def test_what_a_feed_says_of_manifests_is_kept_in_its_own_words() -> None:
    said = Reads(checksum="any", control="{name}.ctl", wait="90m", trailer="T{rows}").said()
    assert said == {"checksum": "any", "control": "{name}.ctl", "wait": 5400, "trailer": "T{rows}"}
    assert Reads(wait="24h").said() == {}
