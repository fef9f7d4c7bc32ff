"""How the files of a feed are read, in an operator's words. What is not said is told from each file itself."""

from __future__ import annotations

import codecs
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ingester.domain import duration
from ingester.domain.claim import check_trailer
from ingester.domain.companion import check_control
from ingester.domain.errors import UsageError

#: What people call delimiters that are hard to type.
_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
#: For how long a file waits for what has to come beside it, in seconds.
DEFAULT_WAIT = 86_400
_QUOTES = {"none": "", "double": '"', "single": "'"}


class Format(StrEnum):
    """What a file is, once it is decrypted and unpacked."""

    CSV = "csv"
    FIXED = "fixed"
    XLSX = "xlsx"
    XLS = "xls"
    ODS = "ods"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"
    XML = "xml"


class DateOrder(StrEnum):
    """Which of day, month and year comes first in a date of digits."""

    DAY = "dmy"
    MONTH = "mdy"
    YEAR = "ymd"


class Reads(BaseModel):
    """What `reads:` of a feed may say; anything else is a mistake with its key."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Format | None = None
    #: A codec of Python's, such as `utf-8`, `cp1252` or `shift_jis`.
    encoding: str | None = None
    #: One character or several; `tab`, `comma`, `semicolon`, `pipe` and `space` may be spelled out.
    delimiter: str | None = Field(default=None, min_length=1, max_length=8)
    #: The quote character; empty, or `none`, where quotes mean nothing.
    quote: str | None = Field(default=None, max_length=1)
    #: What takes the meaning from a quote after it, usually a backslash; quotes are doubled where nothing is said.
    escape: str | None = Field(default=None, min_length=1, max_length=1)
    #: Lines that begin so are no rows.
    comment: str | None = Field(default=None, min_length=1, max_length=8)
    #: On which line, or row of a sheet, the column names are; 0 where there are none, and `columns` names them.
    header: int | None = Field(default=None, ge=0, le=10_000)
    #: The column names of a file without a header, in order; of fixed width always.
    columns: tuple[str, ...] | None = None
    #: For fixed width, in characters; in bytes where lines are filled up to one length in these.
    widths: tuple[int, ...] | None = None
    #: Lines at the end that are no rows.
    footer: int | None = Field(default=None, ge=0, le=1000)
    #: The sheet's name, or its number from 1.
    sheet: str | None = None
    #: Where the rows are: `data.items` in JSON, `catalog/item` in XML.
    path: str | None = None
    #: What stands before the fraction of numbers that may be written both ways.
    decimal: Literal[".", ","] | None = None
    #: The order of dates such as 03/04/2026.
    dates: DateOrder | None = None
    #: Whether a file has to bear the signature of a known sender.
    signed: bool = False
    #: Whether the files of the outbox are encrypted to the customer's key.
    encrypt: bool = False
    #: The checksum that has to come beside every file: `customers.csv.md5` or `customers.csv.sha256`.
    checksum: Literal["md5", "sha256", "any"] | None = None
    #: The name of the control file that has to: `{stem}.ctl` of `customers.csv` is `customers.ctl`.
    control: str | None = Field(default=None, max_length=200)
    #: For how many seconds a file waits for these, or for its done-marker.
    wait: int = Field(default=DEFAULT_WAIT, ge=0, le=31 * 86_400)
    #: The last line: `TRL|{rows}|{sum:amount}`.
    trailer: str | None = Field(default=None, max_length=1000)

    @field_validator("control")
    @classmethod
    def _control(cls, value: str | None) -> str | None:
        return None if value is None else check_control(value)

    @field_validator("trailer")
    @classmethod
    def _trailer(cls, value: str | None) -> str | None:
        return None if value is None else check_trailer(value)

    @field_validator("wait", mode="before")
    @classmethod
    def _length(cls, value: Any) -> Any:
        try:
            return duration.seconds(value) if isinstance(value, str) else value
        except UsageError as error:
            raise ValueError(str(error)) from None

    @field_validator("delimiter", mode="before")
    @classmethod
    def _delimiter(cls, value: Any) -> Any:
        return _DELIMITERS.get(value, value) if isinstance(value, str) else value

    @field_validator("quote", mode="before")
    @classmethod
    def _quote(cls, value: Any) -> Any:
        return _QUOTES.get(value, value) if isinstance(value, str) else value

    @field_validator("delimiter", "quote", "escape", "comment")
    @classmethod
    def _marks(cls, value: str | None) -> str | None:
        if value is not None and any(character in "\r\n\0" for character in value):
            raise ValueError("a line end, or NUL, cannot be one")
        return value

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return codecs.lookup(value).name
        except LookupError:
            raise ValueError(f"'{value}' is no encoding; one is utf-8, another cp1252") from None

    @field_validator("columns", "widths", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("columns")
    @classmethod
    def _named(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and not (value and all(name.strip() for name in value)):
            raise ValueError("a column has no name")
        return value

    @field_validator("widths")
    @classmethod
    def _wide(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and not (value and all(0 < width <= 100_000 for width in value)):
            raise ValueError("a width is a number of characters, 1 or more")
        return value

    @field_validator("sheet", mode="before")
    @classmethod
    def _sheet(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) else value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.format is Format.FIXED and not self.widths:
            raise ValueError("fixed width needs `widths`")
        if self.widths and self.format not in (None, Format.FIXED):
            raise ValueError("`widths` are of fixed width")
        if self.widths and self.columns and len(self.widths) != len(self.columns):
            raise ValueError(f"there are {len(self.columns)} columns and {len(self.widths)} widths")
        if self.header == 0 and not self.columns:
            raise ValueError("without a header, `columns` names the columns")
        if self.delimiter is not None and self.delimiter in (self.quote, self.escape):
            raise ValueError("delimiter, quote and escape have to differ")
        return self

    def said(self) -> dict[str, Any]:
        """The words that were said, as they are kept."""
        return self.model_dump(mode="json", exclude_defaults=True)


#: Nothing is said: everything is told from the file.
ANY_WAY = Reads()
