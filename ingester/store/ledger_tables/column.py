"""The base of the ledger's tables, and columns that several of them have."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, Enum, ForeignKey, false
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from ingester.domain.status import (
    REMOVAL_GUARD_PERCENT,
    RepeatHandling,
)
from ingester.store.database import UtcDateTime


class LedgerTable(SQLModel, registry=registry()):
    """Base of every table of the ledger, so that its metadata is the ledger's alone."""


def moment(*, nullable: bool = False) -> Any:
    """A point in time, in UTC."""
    return Field(default=None, sa_column=Column(UtcDateTime, nullable=nullable))


def word(words: type[StrEnum], default: StrEnum | None = None, *, nullable: bool = False, added: bool = False) -> Any:
    """A column that holds one word of a closed vocabulary, as the word itself.

    `added`: by a later revision, so that the rows that were there already have the default.
    """
    kind = Enum(words, values_callable=lambda kinds: [kind.value for kind in kinds], native_enum=False, length=20)
    was = default.value if added and default is not None else None
    return Field(default=default, sa_column=Column(kind, nullable=nullable, server_default=was))


def empty_erases() -> Any:
    """Whether an empty cell of a record that exists erases the stored value."""
    return Field(default=False, sa_column_kwargs={"server_default": false()})


def removal_guard_percent() -> Any:
    """The share of its source's records that an overwrite may remove before somebody is asked."""
    return Field(default=REMOVAL_GUARD_PERCENT, sa_column_kwargs={"server_default": str(REMOVAL_GUARD_PERCENT)})


def repeat(default: RepeatHandling) -> Any:
    """What becomes of a drop that repeats another."""
    return word(RepeatHandling, default, added=True)


def json(*, added: bool = False) -> Any:
    """A list; one that was added by a later revision is NULL in rows that were there before."""
    return Field(default_factory=list, sa_column=Column(JSON, nullable=added))


def none_of_it() -> Any:
    """A number, added by a later revision, that is 0 unless something else was said."""
    return Field(default=0, sa_column_kwargs={"server_default": "0"})


def no() -> Any:
    """A yes or no, added by a later revision, that is no unless something else was said."""
    return Field(default=False, sa_column_kwargs={"server_default": false()})


def tenant() -> Any:
    """Whose row it is."""
    return Field(sa_column=Column(ForeignKey("tenants.name"), nullable=False))
