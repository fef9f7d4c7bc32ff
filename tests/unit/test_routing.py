"""What is to be done with a file: folder, then feed, then name; and the import it becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingester.domain.status import Action, DuplicateHandling, Status
from ingester.routing import Router
from ingester.ruleset.model import Catalogue, Entity, Field, ForeignKey, RuleSet
from ingester.store.database import now
from ingester.store.ledger_tables import Feed, Import, Tenant


def entity(catalogue: str, name: str, *parents: str) -> Entity:
    keys = tuple(
        ForeignKey(fields=(f"{parent}_external_id",), entity=parent, reference_fields=("external_id",))
        for parent in parents
    )
    fields = (Field(name="external_id"), *(Field(name=key.fields[0]) for key in keys))
    return Entity(
        catalogue=catalogue, name=name, primary_key=("external_id",), fields=fields, foreign_keys=keys, path=Path(name)
    )


def catalogue(name: str, *entities: Entity) -> Catalogue:
    return Catalogue(name, {each.name: each for each in entities})


RULES = RuleSet(
    {
        "sales": catalogue(
            "sales",
            entity("sales", "customer"),
            entity("sales", "order", "customer"),
            entity("sales", "order_item", "order"),
        ),
        "stock": catalogue("stock", entity("stock", "product"), entity("stock", "customer")),
    }
)


@pytest.fixture
def router() -> Router:
    return Router(RULES)


def tenant(*catalogues: str) -> Tenant:
    return Tenant(name="acme", catalogues=list(catalogues), created_at=now())


def feed(pattern: str, **values: object) -> Feed:
    given = {"name": "f", "catalogue": "stock", "entity": "product", **values}
    return Feed(tenant="acme", pattern=pattern, created_at=now(), **given)


def new_import() -> Import:
    at = now()
    return Import(id="i", short_id="i", tenant="acme", drop_id="d", due_at=at, created_at=at)


@pytest.mark.parametrize(
    ("folder", "name", "expected"),
    [
        ("", "orders_2026.csv", "order"),
        ("", "Order-Items.2026.CSV", "order_item"),
        ("order", "anything.csv", "order"),
        ("orders", "customers.csv", "order"),
        ("validate", "customers.csv", "customer"),
        ("validate/order", "customers.csv", "order"),
        ("elsewhere", "customers.csv", "customer"),
        ("elsewhere/order", "customers.csv", "customer"),
        ("", "mystery.csv", None),
        ("validate", "mystery.csv", None),
    ],
)
def test_a_folder_names_the_entity_and_a_name_does_where_none_is(
    router: Router, folder: str, name: str, expected: str | None
) -> None:
    route = router.route(tenant("sales"), [], folder, name)
    assert (None if route.entity is None else route.entity.name) == expected
    assert (route.unroutable is None) == (expected is not None)
    assert route.dry_run == folder.startswith("validate")


def test_a_feed_stands_between_folder_and_name(router: Router) -> None:
    feeds = [feed("nothing*"), feed("CUST*.csv", name="second", source="crm"), feed("*", name="third")]
    route = router.route(tenant("sales", "stock"), feeds, "", "customers.csv")
    assert (route.feed, route.source, route.entity) == ("second", "crm", RULES.entity("stock", "product"))
    by_folder = router.route(tenant("sales", "stock"), feeds, "order", "customers.csv")
    assert (by_folder.feed, by_folder.source, by_folder.entity) == (None, "default", RULES.entity("sales", "order"))
    dry = router.route(tenant("sales", "stock"), feeds, "validate", "customers.csv")
    assert (dry.feed, dry.dry_run) == ("second", True)


def test_a_pattern_is_of_a_shell_and_not_of_a_regular_expression(router: Router) -> None:
    assert router.route(tenant("sales"), [feed("a+b?.csv")], "", "A+b1.CSV").feed == "f"
    assert router.route(tenant("sales"), [feed("a.csv")], "", "aXcsv").feed is None


def test_what_two_catalogues_claim_is_ambiguous_unless_a_feed_decides(router: Router) -> None:
    for folder, name in (("", "customers.csv"), ("customer", "x.csv")):
        route = router.route(tenant("sales", "stock"), [], folder, name)
        assert route.entity is None
        assert route.unroutable is not None
        assert route.unroutable.code == "ambiguous_entity"
        assert "sales.customer" in route.unroutable.message
        assert "stock.customer" in route.unroutable.message
    assert router.route(tenant("sales", "stock"), [feed("customers*")], "", "customers.csv").feed == "f"


def test_a_catalogue_that_is_not_the_tenant_s_routes_nothing(router: Router) -> None:
    route = router.route(tenant("stock", "gone"), [], "", "orders.csv")
    assert route.unroutable is not None
    assert "customer, product" in route.unroutable.message


def test_a_feed_whose_entity_is_gone_makes_its_files_unroutable(router: Router) -> None:
    route = router.route(tenant("sales"), [feed("*", entity="gone")], "", "x.csv")
    assert (route.entity, route.feed) == (None, "f")
    assert route.unroutable is not None
    assert "'f'" in route.unroutable.message
    assert "stock.gone" in route.unroutable.message


def test_an_import_follows_its_route_and_a_better_one_later(router: Router) -> None:
    job = new_import()
    router.apply(router.route(tenant("sales"), [], "", "mystery.csv"), job, now())
    assert (job.status, job.reason, job.entity) == (Status.FAILED, "unknown_entity", None)
    assert job.completed_at is not None
    feeds = [
        feed(
            "items*", catalogue="sales", entity="order_item", duplicate_handling=DuplicateHandling.USE_LAST, source="s"
        )
    ]
    router.apply(router.route(tenant("sales"), feeds, "validate", "items.csv"), job, now())
    assert (job.status, job.reason, job.message, job.completed_at) == (Status.QUEUED, None, None, None)
    assert (job.catalogue, job.entity, job.feed, job.source) == ("sales", "order_item", "f", "s")
    assert (job.dry_run, job.duplicate_handling) == (True, DuplicateHandling.USE_LAST)
    assert job.ancestors == ["sales.customer", "sales.order"]
    assert (
        job.rank
        > router.order.rank(RULES.entity("sales", "order"))
        > router.order.rank(RULES.entity("sales", "customer"))
    )


def test_an_inbox_has_a_folder_for_each_entity_twice(router: Router) -> None:
    assert router.folders(tenant("stock")) == (
        *("customer", "product"),
        *("validate", "validate/customer", "validate/product"),
    )


def test_what_a_feed_says_of_its_records_goes_with_the_import_and_leaves_with_the_route(router: Router) -> None:
    full = feed("full*", action=Action.OVERWRITE, empty_erases=True, removal_guard_percent=20)
    for folder in ("", "validate"):
        job = new_import()
        router.apply(router.route(tenant("stock"), [full], folder, "full_products.csv"), job, now())
        assert (job.action, job.empty_erases, job.removal_guard_percent) == (Action.OVERWRITE, True, 20)
        assert job.dry_run == (folder == "validate")
    # Renamed before anybody claimed it, the file is no longer the feed's.
    router.apply(router.route(tenant("stock"), [full], "", "products.csv"), job, now())
    assert (job.action, job.empty_erases, job.removal_guard_percent) == (Action.MERGE, False, 50)
