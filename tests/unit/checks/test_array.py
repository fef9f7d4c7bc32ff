from __future__ import annotations

import pyarrow as pa
import pytest

from ingester.checks.array import ArrayCast


@pytest.mark.parametrize(
    ("cell", "canonical"),
    [
        ("a", '["a"]'),
        ("a | b", '["a","b"]'),
        ("a||b", '["a","","b"]'),
        (' [ "é" , 1.10 ] ', '["é",1.1]'),
        ("[12345678901234567890.123456789, 1e400]", "[12345678901234567890.123456789,1e400]"),
        ('[{"k": [null, true]}]', '[{"k":[null,true]}]'),
        ('["\\\\u0000"]', '["\\\\u0000"]'),
    ],
)
def test_an_array_has_one_canonical_text(cell: str, canonical: str) -> None:
    assert ArrayCast("|")(pa.array([cell])).values.to_pylist() == [canonical]


@pytest.mark.parametrize(
    "cell",
    [
        *("[", "[1,]", "[01]", "[+1]", "[NaN]", "[Infinity]", '["\\ud800"]', '["\\u0000"]', "[" * 100_000),
        *("[1e400000]", "[10e1000]", "[0.1e-1000]", f"[1e{'9' * 5000}]", f"[{'1' * 1001}]"),
    ],
)
def test_broken_json_is_no_array(cell: str) -> None:
    typed = ArrayCast("|")(pa.array([cell, "x"]))
    assert typed.values.to_pylist() == [None, '["x"]']
    assert [fault.positions.tolist() for fault in typed.faults] == [[0]]


def test_the_delimiter_is_the_fields() -> None:
    assert ArrayCast(";")(pa.array(["a;b|c"])).values.to_pylist() == ['["a","b|c"]']
