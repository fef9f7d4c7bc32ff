"""Which entity an operator's words name, and whether an action makes sense for it. Files are routed in `route.py`."""

from __future__ import annotations

from collections.abc import Iterable

from ingester.domain.errors import UsageError
from ingester.domain.status import Action
from ingester.ruleset.mistake import did_you_mean
from ingester.ruleset.model import Catalogue, Entity

_NEED_A_KEY = (Action.UPDATE, Action.DELETE)


def choose(catalogues: Iterable[Catalogue], wanted: str, catalogue: str | None = None) -> Entity:
    """The entity called `wanted`, as `customer` or `field_service.customer`; UsageError if there is not exactly one."""
    candidates = [entity for each in catalogues if catalogue in (None, each.name) for entity in each]
    found = [entity for entity in candidates if wanted in (entity.name, entity.full_name)]
    if len(found) == 1:
        return found[0]
    if not found:
        place = f" in the catalogue '{catalogue}'" if catalogue is not None else ""
        hint = did_you_mean(wanted, [entity.full_name if "." in wanted else entity.name for entity in candidates])
        raise UsageError(f"there is no entity '{wanted}'{place}{hint}".rstrip("?"), fix="See `ingester rules list`.")
    names = ", ".join(entity.full_name for entity in found)
    raise UsageError(f"several catalogues have an entity '{wanted}'", fix=f"Say one of {names}.")


def refuse_senseless(entity: Entity, action: Action) -> None:
    """UsageError where no row could ever succeed: only a key says which record a row updates or deletes."""
    if action in _NEED_A_KEY and not entity.primary_key:
        raise UsageError(
            f"{entity.full_name} has no primary key, so that no row says which record to {action}",
            fix="Use merge, create or overwrite.",
        )
