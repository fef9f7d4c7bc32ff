"""The dialect of delimited text: what stands between cells, around them, and takes the meaning from a quote.

Told from a bounded sample by trying: the right dialect is the one under which most rows have as many cells as the
others, and cells look like values. The idea of weighing both is that of van den Burg, Nazábal and Sutton, "Wrangling
messy CSV files by detecting row and type patterns" (2019).
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingester.domain.reads import Reads
from ingester.formats.heading import IsKnown, find_heading, kind
from ingester.formats.text.comment import Comment
from ingester.formats.text.drawn import Drawn, tell_drawn

#: In order of how usual they are, which decides between equals.
_SINGLE = (",", ";", "\t", "|", "^", "~", "\x01", "\x1f", "\x1e", "§", "¦", ":", "#", " ")
#: Weak ones: they often stand in text.
_WEAK = {":": 0.6, "#": 0.6, " ": 0.5}
#: How even rows have to be to be told apart by a weak one.
_EVEN_ENOUGH = 0.9
#: So many lines of as many words are no accident.
_MANY = 50
#: How unlikely rows without a header are to have something else above them.
_HEADLESS = 0.3
#: What a table of one column of values scores.
_ONE_COLUMN = 0.06
#: What is left of a table of whose cells a column stands in apostrophes, if those mean nothing; nobody means that.
_WRAPPED = 0.7
_RUN = re.compile(r"(?<![^\w\s\"'`])[^\w\s\"'`.()\[\]{}+@/\\<>=$€£%&!?*-]{2,4}(?![^\w\s\"'`])")
_SPACED = re.compile(r"[,;|] (?=\S)")
_SEP_LINE = re.compile(r"\A\ufeff?sep=(.{1,4}?)\r?(?:\n|\Z)", re.IGNORECASE)
#: Lines of the sample that tell, rows that vote, rows that show a header, and how many cells are looked at.
_LINES = 300
_VOTERS = 200
_FIRST = 16
_CELLS = 1500
#: What is no cell but several.
_ROW = re.compile(r"(?:[;|\t]\S[^;|\t]*+){2}")
_STRANGE = re.compile(r"[;|\t^~\x01\x1e\x1f]|(?<!\d),(?! )|,(?![ \d])|\A,|\\\"|\A[\"'][^\"']*\Z")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are told apart. `quote` is empty where quotes mean nothing; quotes are doubled without `escape`."""

    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None
    #: Lines that begin so are no rows.
    comment: Comment | None = None
    #: Whether the file begins with a line that names the delimiter, as spreadsheets want it.
    announced: bool = False
    #: Whether it is a table drawn in text, whose cells are padded and whose lines may be ruled.
    drawn: Drawn | None = None


def tell_dialect(sample: str, reads: Reads, is_known: IsKnown | None = None) -> Dialect:
    """The dialect of a text that begins with `sample`, which ends where a line does or with the text."""
    announced = _SEP_LINE.match(sample)
    lines = io.StringIO(sample[announced.end() :] if announced else sample, newline="")
    body = "".join(itertools.islice(lines, _LINES))
    pinned = reads.delimiter or (announced.group(1) if announced else None)
    comment = Comment(reads.comment) if reads.comment else None
    free = pinned in (None, "|") and not reads.quote and not reads.escape and reads.header is None
    if free and (drawn := tell_drawn(body)):
        return Dialect("|", "", comment=comment, announced=announced is not None, drawn=drawn)
    delimiters = [pinned] if pinned else list(_candidates(body))
    if is_known is not None and not pinned and not reads.columns and reads.header is None:
        delimiters = [each for each in delimiters if each not in _WEAK or _names_columns(body, each, is_known)]
        delimiters = delimiters or [","]
    quotes = [reads.quote] if reads.quote is not None else list(_quotes(body, delimiters))
    settled = reads.escape is not None or reads.quote is not None
    # A table of one column has to be beaten; its delimiter is one that it does not have.
    single = next((each for each in _SINGLE if each not in body), ",")
    best, best_score = Dialect(pinned or single, quotes[0], reads.escape), 0.0 if pinned else _one_column(body)
    for delimiter, quote in itertools.product(delimiters, quotes):
        if quote and quote in delimiter:
            continue
        escape = reads.escape if settled else _escape(body, delimiter, quote)
        score = _score(_rows(body, delimiter, quote, escape), delimiter, quote, is_known)
        if score > best_score * 1.0001:
            best, best_score = Dialect(delimiter, quote, escape), score
    if comment is None and reads.header is None:
        comment = _comment(body, best)
    return Dialect(best.delimiter, best.quote, best.escape, comment, announced is not None)


def _candidates(body: str) -> Iterator[str]:
    present = [delimiter for delimiter in _SINGLE if delimiter in body]
    # Of several characters, if the first lines have them: `||`, `~|~`, `, `.
    lines = [line for line in body.splitlines()[:20] if line.strip()]
    runs = Counter(run for line in lines for run in set(_RUN.findall(line)))
    several = [run for run, lines_with in runs.most_common(6) if lines_with * 2 > len(lines) or lines_with > 2]
    shown = "\n".join(lines)
    several += Counter(_SPACED.findall(shown))
    # If few of the commas stand without the space; `,,` is an empty cell where others are filled.
    several = [run for run in several if shown.count(run) * run.count(run[0]) * 10 >= 7 * shown.count(run[0])]
    found = [*(delimiter for delimiter in present if delimiter not in _WEAK), *several]
    yield from [*found, *(delimiter for delimiter in present if delimiter in _WEAK)] or [","]


def _names_columns(body: str, delimiter: str, is_known: IsKnown) -> bool:
    """Whether it divides the header into names that the rules know: `Item ID` may be the name of a single column."""
    header = next((line.strip() for line in body.splitlines() if line.strip()), "")
    names = [name.strip("\"'` ") for name in header.split(delimiter)]
    known = sum(map(is_known, names))
    return not is_known(header) and known * 2 > len(names) and (known > 2 or known == len(names))


def _quotes(body: str, delimiters: Sequence[str]) -> Iterator[str]:
    yield '"'
    marks = "".join(re.escape(delimiter[0]) for delimiter in delimiters)
    for quote in "'`":
        quoted = re.compile(
            rf"(?m)(?:^|[{marks}] ?){quote}(?:[^{quote}\\\r\n]++|{quote}{quote}|\\.)*+{quote}(?=[{marks}]|\r?$)"
        )
        if quote in body and len(quoted.findall(body, 0, 1 << 14)) >= 2:
            yield quote


def _escape(body: str, delimiter: str, quote: str) -> str | None:
    """A backslash, if fewer quoted cells have text after them with it, or one stands before a quote in a bare cell."""
    if not quote or f"\\{quote}" not in body:
        return None
    d, q = re.escape(delimiter[-1]), re.escape(quote)
    # A delimiter inside a quoted cell begins no bare one.
    outside = re.sub(rf"(?<![^\r\n{d}]){q}(?:[^{q}]++|{q}{q})*+{q}(?=[\r\n{d}]|\Z)", quote * 2, body)
    bare = re.findall(rf"(?<![^\r\n{d}])[^{q}{d}\r\n]++(?<=\\){q}", outside)
    with_it, without = (_breaks(body, delimiter, quote, escaped) for escaped in (r"\\(?s:.)", "(?!)"))
    return "\\" if with_it < without + len(bare) else None


def _breaks(body: str, delimiter: str, quote: str, escaped: str) -> int:
    """How many quoted cells something else follows than a cell or the end of a line."""
    q, first, last = re.escape(quote), re.escape(delimiter[0]), re.escape(delimiter[-1])
    inside = rf"(?:{escaped}|[^{q}\\]++|\\|{q}{q})*+"
    return len(re.findall(rf"(?<![^\r\n{last}]){q}{inside}{q}(?=[^{q}\r\n{first}])", body))


def _rows(body: str, delimiter: str, quote: str, escape: str | None) -> list[list[str]]:
    """The first rows, blank ones left out; rows whose quotes are open to the end as one that nobody could mean."""
    if len(delimiter) > 1:
        body, delimiter = body.replace(delimiter, "\x1f"), "\x1f"
    options: dict[str, object] = {"delimiter": delimiter, "escapechar": escape, "doublequote": escape is None}
    options |= {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    rows = csv.reader(io.StringIO(body, newline=""), **options)  # type: ignore[arg-type]
    found = []
    try:
        for row in rows:
            if row and any(cell.strip() for cell in row):
                found.append(row)
                if len(found) == _VOTERS:
                    break
    except csv.Error:
        # A cell over the module's limit of 128 KiB, or a NUL: what came before it votes.
        pass
    if quote == '"' and len(found) > 1 and found[-1][-1:] and found[-1][-1].endswith(("\n", "\r")):
        found.pop()  # its quote is open where the sample ends: what comes of it cannot be told
    return found


def _score(rows: list[list[str]], delimiter: str, quote: str, is_known: IsKnown | None) -> float:
    """How much the rows look like a table: even, wide, of cells that look like values."""
    if not rows:
        return 0.0
    widths = Counter(map(len, rows))
    width = max(widths, key=lambda each: (widths[each] * min(each, 4), each))
    even = widths[width] / len(rows)
    if width < 2 or (delimiter in _WEAK and not _is_divided(rows, width, delimiter)):
        return 0.001
    if len(rows[0]) < width and find_heading(rows[:_FIRST]).row is None:
        even *= _HEADLESS  # what stands above is a header, of another dialect
    cells = [cell for row in rows if len(row) == width for cell in row][:_CELLS]
    values = sum(map(_worth, cells)) / len(cells)
    filled = sum(1 for cell in cells if cell.strip()) / len(cells)
    wide: float = (1 - 1 / width) ** 0.3
    score: float = even * even * wide * values * (0.5 + filled / 2) * _WEAK.get(delimiter, 1.0)
    wrapped = sum(1 for cell in cells if len(cell) > 1 and cell[0] == cell[-1] == "'")
    if quote != "'" and wrapped * 2 * width >= len(cells):
        score *= _WRAPPED
    if is_known is not None:
        known = max(sum(1 for cell in row if is_known(cell.strip())) for row in rows[:50])
        score *= 1 + min(known, width) / width
    return score


def _is_divided(rows: list[list[str]], width: int, delimiter: str) -> bool:
    """Whether a weak delimiter is one: it divides evenly, no times and no short list of words, as no other would."""
    even = [row for row in rows if len(row) == width]
    if len(even) < _EVEN_ENOUGH * len(rows) or len(rows[0]) != width:
        return False
    # A day, a time and what half of the day it is in; of more cells it is a row that begins with a date.
    times = sum(1 for row in even if kind(delimiter.join(row)) == "date") if width < 4 else 0
    rows_inside = sum(1 for row in even if any(map(_ROW.search, row)))
    if max(times, rows_inside) * 2 > len(even):
        return False
    words = all(kind(cell) == "text" and " " not in cell for row in even for cell in row)
    return not (words and delimiter == " " and len(even) < max(_MANY, len(rows)))


def _one_column(body: str) -> float:
    """How likely lines are cells: the less, the more they look like several, unless the first names a single one."""
    lines = [line for line in itertools.islice(body.splitlines(), _VOTERS) if line.strip()]
    if not lines or not _STRANGE.search(lines[0]):
        return _ONE_COLUMN
    return _ONE_COLUMN * sum(map(_worth, lines)) / len(lines)


def _worth(cell: str) -> float:
    """How much a cell looks like one value: a number or date fully, text with what ends other cells hardly."""
    if not cell:
        return 0.9
    if _STRANGE.search(cell):
        return 0.2 if len(cell) < 60 else 0.5
    if cell[0] == " ":
        return 0.8
    if len(cell) > 2 and cell[0] == cell[-1] and cell[0] in "'\"":
        return 0.6
    return 1.0 if kind(cell) != "text" else 0.95


def _comment(body: str, dialect: Dialect) -> Comment | None:
    """`#`, if the text begins with lines like that and they are no rows."""
    lines = body.lstrip("\ufeff\r\n").splitlines()
    if not lines or not lines[0].startswith("#"):
        return None
    lead = list(itertools.takewhile(lambda line: line.startswith("#"), lines))
    after = next((line for line in lines if line and not line.startswith("#")), "")
    row = max(1, after.count(dialect.delimiter))
    if after and lines[0].count(dialect.delimiter) >= row:
        return None  # a header that is called so: `#id,name`
    # A header would be the last of them.
    return Comment("#", row, len(lead) - (lead[-1].count(dialect.delimiter) >= row))
