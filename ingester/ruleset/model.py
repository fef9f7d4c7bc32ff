"""What a rule file says, as frozen values: catalogues of entities, entities of fields, fields with constraints.

Everything is already checked and typed: a `minimum` of a date field is a `date`, a pattern compiles in RE2, a
foreign key names fields that exist. Code that receives these values does not check them again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from ingester.domain.notice import Severity

#: How the name of a column family ends.
FAMILY = ".{name}"

#: A typed constant of a rule file: the bound of a range, a default.
Scalar = str | int | Decimal | bool | date | time | datetime


def column_name(field: str) -> str:
    """The database column of a field's name. `id` is the service's own: a customer's `id` is kept as `external_id`."""
    column = field.removesuffix(FAMILY).replace(".", "_")
    return "external_id" if column.lower() == "id" else column


def _one_spelling(words: tuple[str, ...]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for word in words:
        found.setdefault(word.casefold(), word)
    return tuple(found.values())


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
    LIST = "list"
    OBJECT = "object"
    YEAR = "year"
    YEARMONTH = "yearmonth"
    DURATION = "duration"
    GEOPOINT = "geopoint"
    GEOJSON = "geojson"
    ANY = "any"


class Step(StrEnum):
    """One thing that `normalise` does to a cell before its type is checked; steps run in the order given."""

    #: No blanks around the text.
    TRIM = "trim"
    #: As trim, and every run of blanks inside becomes one space.
    COLLAPSE_SPACES = "collapse_spaces"
    LOWER = "lower"
    UPPER = "upper"
    #: Unicode normalisation form C.
    NFC = "nfc"
    #: A telephone number in E.164; numbers without a country code belong to the step's region.
    PHONE = "phone"
    #: Trimmed, the domain in small letters.
    EMAIL = "email"
    #: ISO 3166-1 alpha-2, from that, alpha-3, the English name or a usual other name.
    COUNTRY = "country"
    #: ISO 4217, from the code in any case.
    CURRENCY = "currency"


@dataclass(frozen=True, slots=True)
class Normalisation:
    """A step, and the region (ISO 3166-1 alpha-2) that `phone` takes for numbers without a country code."""

    step: Step
    region: str | None = None


class ReferenceScope(StrEnum):
    """Where a reference looks for its record."""

    #: Among the records of the import's own source.
    SOURCE = "source"
    #: There first; then among all of the tenant's sources, where exactly one must have it.
    TENANT = "tenant"


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
    #: A format that Table Schema knows for the type, `any`, or for dates and times a strptime pattern.
    format: str = "default"
    constraints: Constraints = Constraints()
    #: The text of the cell a missing value is replaced by on create, typed like any cell; None means NULL.
    default: str | None = None
    aliases: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    #: A cell; of a family a JSON object of cells, see `members`.
    example: str = ""
    #: For arrays written as `a|b|c`, where a cell starting with `[` is read as JSON; of a list, `,` unless told.
    delimiter: str = "|"
    #: Of the items of a list.
    item_type: FieldType = FieldType.STRING
    #: The texts of a boolean.
    true_values: tuple[str, ...] = ("true", "True", "TRUE", "1")
    false_values: tuple[str, ...] = ("false", "False", "FALSE", "0")
    #: How a number is written: `1.234,50` has decimal_char `,` and group_char `.`; unless bare, `$ 12 each` is 12.
    decimal_char: str = "."
    group_char: str = ""
    bare_number: bool = True
    normalise: tuple[Normalisation, ...] = ()
    #: Cells that show people which ways of writing are accepted; each must pass the field.
    accepted: tuple[str, ...] = ()
    #: A tenant's own field: kept in the table's `extra` column.
    is_extra: bool = False

    @property
    def is_family(self) -> bool:
        """Whether the name stands for many columns: `customFields.{name}` takes every `customFields.…` of a file."""
        return self.name.endswith(FAMILY)

    @property
    def prefix(self) -> str:
        """What the headers of a family's columns begin with, dot included."""
        return self.name.removesuffix(FAMILY) + "."

    @property
    def words(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Of a boolean, what people may write for true and for false; of `true`, `True` and `TRUE` the first alone."""
        return _one_spelling(self.true_values), _one_spelling(self.false_values)

    @property
    def members(self) -> Mapping[str, str]:
        """Of a family, the columns that stand for it in a template: name after the prefix → cell."""
        found: dict[str, str] = json.loads(self.example) if self.is_family and self.example else {}
        return found

    @property
    def column(self) -> str:
        """The column of the entity's table: a dot of the name is `_` there; a family shares one, of JSON objects."""
        return "extra" if self.is_extra else column_name(self.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignKey:
    """Rows of `fields` must name a record of `entity` (same catalogue) by its `reference_fields`."""

    fields: tuple[str, ...]
    entity: str
    reference_fields: tuple[str, ...]
    scope: ReferenceScope = ReferenceScope.SOURCE

    @property
    def id_column(self) -> str:
        """The column that receives the referenced record's id: `customer_external_id` gains `customer_id`."""
        if len(self.fields) == 1:
            return self.fields[0].replace(".", "_").removesuffix("_external_id") + "_id"
        return f"{self.entity}_id"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """An assertion over the fields of one row; a row for which it is false has a notice of its own code."""

    code: str
    #: As written in the rule file: an expression over field names, see `ingester.ruleset.expression`.
    assertion: str
    #: The fields that the notice names: those given, else those of the assertion.
    fields: tuple[str, ...]
    message: str
    severity: Severity = Severity.ERROR
    hint: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entity:
    """One rule file: one importable record type and its target table."""

    catalogue: str
    name: str
    fields: tuple[Field, ...]
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[Check, ...] = ()
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

    def referring(self, entity: Entity) -> tuple[tuple[Entity, ForeignKey], ...]:
        """Every reference to records of `entity`, its own ones too, and the entity that has it."""
        return tuple((other, key) for other in self for key in other.foreign_keys if key.entity == entity.name)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Every catalogue a service knows."""

    catalogues: Mapping[str, Catalogue]

    def extended(self, overlays: Mapping[tuple[str, str], Entity]) -> RuleSet:
        """The same rules with other entities in place of some, by catalogue and name."""
        return RuleSet(
            {
                catalogue.name: Catalogue(
                    catalogue.name,
                    {name: overlays.get((catalogue.name, name), entity) for name, entity in catalogue.entities.items()},
                )
                for catalogue in self.catalogues.values()
            }
        )

    def entity(self, catalogue: str, name: str) -> Entity:
        """The entity; KeyError if the catalogue or the entity is unknown."""
        return self.catalogues[catalogue].entities[name]

    def __iter__(self) -> Iterator[Entity]:
        for catalogue in self.catalogues.values():
            yield from catalogue
