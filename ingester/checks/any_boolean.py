"""Booleans of fields without words of their own: Table Schema's words, and those of people in several languages.

A word is here only if it means one thing in all languages that we know, in any case. `O` is not: it may be oui or zero.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.boolean import BooleanCast
from ingester.checks.cells import replaced
from ingester.checks.fault import Fault, Typed, where_true
from ingester.checks.invisible import clean
from ingester.checks.style import Style
from ingester.ruleset.model import Field

#: English; German, Dutch, Danish, Norwegian, Swedish; French; Spanish, Portuguese, Italian; Polish; Czech and Slovak;
#: Hungarian; Finnish; Turkish. Spreadsheets write TRUE in the language of the desk.
_TRUE = (
    *("true", "yes", "y", "t", "on", "1", "1.0", "j", "ja", "wahr", "waar", "sand", "sant", "oui", "vrai"),
    *("si", "sí", "sì", "s", "sim", "verdadero", "verdadeiro", "vero", "tak", "prawda", "ano", "áno", "pravda"),
    *("igen", "igaz", "kyllä", "tosi", "evet", "doğru"),
)
_FALSE = (
    *("false", "no", "n", "f", "off", "0", "0.0", "nein", "nee", "nej", "nei", "falsch", "onwaar", "falsk", "usann"),
    *("non", "faux", "nao", "não", "falso", "nie", "fałsz", "nem", "hamis", "ei", "epätosi", "hayır", "yanlış"),  # noqa: RUF001 -- Turkish
)
_WORDS = pa.array([*_TRUE, *_FALSE], pa.string())


class AnyBooleanCast:
    """Cells of one boolean field → bool."""

    def __init__(self, field: Field) -> None:
        self._cast = BooleanCast(field)

    def __call__(self, text: pa.StringArray, _: Style) -> Typed:
        """Cast one column."""
        typed = self._cast(text)
        if not typed.faults:
            return typed
        (fault,) = typed.faults
        cells = clean(text.take(pa.array(fault.positions)))
        index = pc.index_in(pc.utf8_lower(cells), value_set=_WORDS)
        values = replaced(typed.values, fault.positions, pc.less(index, len(_TRUE)))
        wrong = fault.positions[where_true(index.is_null())]
        return Typed(values, [Fault(fault.code, fault.expected, wrong)] if wrong.size else [])


def words() -> tuple[frozenset[str], frozenset[str]]:
    """What means true and what means false, in small letters."""
    return frozenset(_TRUE), frozenset(_FALSE)
