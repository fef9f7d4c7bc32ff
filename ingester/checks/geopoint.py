"""Points of the earth in one cell: `lon, lat`, `[lon, lat]` or `{"lon": 1, "lat": 2}` → `lon,lat`, exact decimals."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import BLANKS, without
from ingester.checks.fault import Fault, Typed, where_true
from ingester.checks.number import cast_number

_AROUND = f"[{BLANKS}]*"
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
#: Of JSON, RFC 8259: blanks (section 2), and numbers without an exponent (section 6).
_GAP = r"[ \t\r\n]*"
_PLAIN = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?"
_LON, _LAT = rf"(?P<lon>{_PLAIN})", rf"(?P<lat>{_PLAIN})"
_COMMA, _COLON = f"{_GAP},{_GAP}", f"{_GAP}:{_GAP}"
#: The members of an object stand in either order.
_FORMATS = {
    "default": (rf"\A{_AROUND}(?P<lon>{_NUMBER}){_AROUND},{_AROUND}(?P<lat>{_NUMBER}){_AROUND}\z",),
    "array": (rf"\A{_GAP}\[{_GAP}{_LON}{_COMMA}{_LAT}{_GAP}\]{_GAP}\z",),
    "object": (
        rf'\A{_GAP}\{{{_GAP}"lon"{_COLON}{_LON}{_COMMA}"lat"{_COLON}{_LAT}{_GAP}\}}{_GAP}\z',
        rf'\A{_GAP}\{{{_GAP}"lat"{_COLON}{_LAT}{_COMMA}"lon"{_COLON}{_LON}{_GAP}\}}{_GAP}\z',
    ),
}
_EXPECTED = {"default": "lon, lat", "array": "[lon, lat]", "object": '{"lon": number, "lat": number}'}


class GeopointCast:
    """Cells of one geopoint field."""

    def __init__(self, format_name: str) -> None:
        self._patterns = _FORMATS[format_name]
        self._expected = f"geopoint. Expected {_EXPECTED[format_name]}, -180 to 180 and -90 to 90"

    def __call__(self, text: pa.StringArray) -> Typed:
        """Cast one column."""
        found = [pc.extract_regex(text, pattern) for pattern in self._patterns]
        lon, lat = (self._number([pc.struct_field(each, name) for each in found]) for name in ("lon", "lat"))
        inside = pc.and_(_within(lon, 180), _within(lat, 90))
        wrong = where_true(pc.and_(text.is_valid(), pc.invert(inside.fill_null(False))))
        values = without(pc.binary_join_element_wise(lon, lat, ","), wrong)
        return Typed(values, [Fault("invalid_type", self._expected, wrong)] if wrong.size else [])

    @staticmethod
    def _number(candidates: list[pa.StringArray]) -> pa.StringArray:
        return cast_number(pc.coalesce(*candidates)).values


def _within(numbers: pa.StringArray, limit: int) -> pa.BooleanArray:
    """Rounding keeps order, and limits are exact floats: of what becomes the limit, only `180.…` is beyond it."""
    size = pc.abs(pc.cast(numbers, pa.float64()))
    beyond = pc.and_(pc.equal(size, float(limit)), pc.match_substring(numbers, f"{limit}."))
    return pc.and_not(pc.less_equal(size, float(limit)), beyond)
