"""What a rule file says, as frozen values: catalogues of entities, entities of fields, fields with constraints.

Everything is already checked and typed: a `minimum` of a date field is a `date`, a pattern compiles in RE2, a
foreign key names fields that exist. Code that receives these values does not check them again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

#: A typed constant of a rule file: the bound of a range, a default.
Scalar = str | int | Decimal | bool | date | time | datetime


class FieldType(StrEnum):
    """The Table Schema types this product stores."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    ARRAY = "array"


@dataclass(frozen=True, kw_only=True, slots=True)
class Constraints:
    """Table Schema constraints. `minimum` and `maximum` are inclusive and of the field's own type."""

    required: bool = False
    unique: bool = False
    enum: tuple[str, ...] | None = None
    pattern: str | None = None
    minimum: Scalar | None = None
    maximum: Scalar | None = None
    min_length: int | None = None
    max_length: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One column of an entity."""

    name: str
    type: FieldType = FieldType.STRING
    #: `default`, `email`, `uri`, `uuid` for strings; otherwise `default`.
    format: str = "default"
    constraints: Constraints = Constraints()
    #: The text of the cell a missing value is replaced by on create, typed like any cell; None means NULL.
    default: str | None = None
    aliases: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    example: str = ""
    #: For arrays written as `a|b|c`; a cell starting with `[` is read as JSON.
    delimiter: str = "|"


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignKey:
    """Rows of `fields` must name a record of `entity` (same catalogue) by its `reference_fields`."""

    fields: tuple[str, ...]
    entity: str
    reference_fields: tuple[str, ...]

    @property
    def id_column(self) -> str:
        """The column that receives the referenced record's id: `customer_external_id` gains `customer_id`."""
        if len(self.fields) == 1:
            return self.fields[0].removesuffix("_external_id") + "_id"
        return f"{self.entity}_id"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entity:
    """One rule file: one importable record type and its target table."""

    catalogue: str
    name: str
    fields: tuple[Field, ...]
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    missing_values: tuple[str, ...] = ("",)
    title: str = ""
    description: str = ""
    tier: int = 1
    #: Other names a file or folder may use; the plural is always understood.
    aliases: tuple[str, ...] = ()
    path: Path = dataclasses.field(default=Path(), compare=False)
    #: sha256 of the rule file's bytes, hex.
    version: str = ""

    @property
    def table(self) -> str:
        """The target table's name, fixed by contract."""
        return f"{self.catalogue}__{self.name}"

    @property
    def full_name(self) -> str:
        """`catalogue.entity`, unique in a service."""
        return f"{self.catalogue}.{self.name}"

    def field(self, name: str) -> Field:
        """The field called `name`; KeyError if there is none."""
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Entities that ship together, by name."""

    name: str
    entities: Mapping[str, Entity]

    def __iter__(self) -> Iterator[Entity]:
        return iter(self.entities.values())


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Every catalogue a service knows."""

    catalogues: Mapping[str, Catalogue]

    def entity(self, catalogue: str, name: str) -> Entity:
        """The entity; KeyError if the catalogue or the entity is unknown."""
        return self.catalogues[catalogue].entities[name]

    def __iter__(self) -> Iterator[Entity]:
        for catalogue in self.catalogues.values():
            yield from catalogue
