from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.domain.notice import CATALOGUE
from ingester.ruleset.model import Catalogue, Entity, Field
from ingester.ruleset.naming import fold, names_of, plural, singular
from ingester.ruleset.route import Unroutable, by_folder, route
from tests.examples import examples


def entity(catalogue: str, name: str, *aliases: str) -> Entity:
    return Entity(catalogue=catalogue, name=name, fields=(Field(name="key"),), aliases=aliases)


def catalogue(name: str, *entities: Entity) -> Catalogue:
    return Catalogue(name, {each.name: each for each in entities})


FIELD = catalogue(
    "field",
    entity("field", "customer", "account"),
    entity("field", "proposal"),
    entity("field", "proposal_item"),
    entity("field", "territory"),
    entity("field", "crew"),
)
WEALTH = catalogue("wealth", entity("wealth", "clients"), entity("wealth", "premiums"))
OTHER = catalogue("other", entity("other", "client"), entity("other", "customer"), entity("other", "proposal_item_x"))


@pytest.mark.parametrize(
    ("folder", "name", "expected"),
    [
        (None, "customer.csv", "customer"),
        (None, "customers.csv", "customer"),
        (None, "CUSTOMERS_2026-11-21.CSV", "customer"),
        (None, "customers-2026.csv.gz", "customer"),
        (None, "customers.2026.11.csv.pgp", "customer"),
        (None, "accounts_x.csv", "customer"),
        (None, "Territories.xlsx", "territory"),
        (None, "territory_north.csv", "territory"),
        (None, "proposal.csv", "proposal"),
        (None, "proposal_2026.csv", "proposal"),
        (None, "proposal_item.csv", "proposal_item"),
        (None, "proposal_items_2026.csv", "proposal_item"),
        (None, "Proposal-Items_2026.csv", "proposal_item"),
        (None, "proposal items.csv", "proposal_item"),
        (None, "proposal_itemised.csv", "proposal"),
        (None, "customers_\n.csv", "customer"),
        (None, "clients_x.csv", "clients"),
        (None, "client_x.csv", "clients"),
        ("customers", "whatever.bin", "customer"),
        ("Proposal-Item", "customers.csv", "proposal_item"),
        ("customer", "no extension", "customer"),
        ("validate", "customers.csv", "customer"),
        ("unheard", "customers.csv", "customer"),
    ],
)
def test_a_file_goes_by_folder_then_by_the_longest_name(folder: str | None, name: str, expected: str) -> None:
    found = route([FIELD, WEALTH], folder, name)
    assert isinstance(found, Entity)
    assert found.name == expected


@pytest.mark.parametrize(
    "name",
    [
        "customers",
        "customers_2026",
        "customersx.csv",
        "my_customers.csv",
        "customers (1).csv",
        "cust.csv",
        ".csv",
        "",
        "customers.",
        "customers.c/v",
        "\u017fcustomer.csv",
    ],
)
def test_a_name_that_only_resembles_an_entity_is_unknown(name: str) -> None:
    found = route([FIELD, WEALTH], None, name)
    assert isinstance(found, Unroutable)
    assert found.code == "unknown_entity"


def test_an_unknown_name_hears_what_would_have_matched() -> None:
    assert route([FIELD], None, "foo.csv") == Unroutable(
        "unknown_entity",
        "No entity matches 'foo.csv': names start with one of crew, customer, proposal, proposal_item, territory;"
        " or use the folder /inbox/<entity>/",
    )
    assert route([WEALTH], None, "client") == Unroutable(
        "unknown_entity",
        "No entity matches 'client': names start with one of clients, premiums and end in an"
        " extension such as .csv; or use the folder /inbox/<entity>/",
    )
    near = route([FIELD], None, "custmers_2026.csv")
    assert isinstance(near, Unroutable)
    assert near.message.startswith("No entity matches 'custmers_2026.csv', did you mean 'customers'? Names start")
    nothing = route([], None, "foo.csv")
    assert isinstance(nothing, Unroutable)
    assert nothing.message == "No entity matches 'foo.csv': this inbox takes no entities yet"


def test_a_message_stays_one_printable_line_whatever_the_name() -> None:
    found = route([FIELD], None, "a\n\x1b[31m" + "x" * 5000)
    assert isinstance(found, Unroutable)
    assert found.message.isprintable()
    assert len(found.message) < 400


def test_a_name_that_two_catalogues_claim_is_ambiguous() -> None:
    found = route([FIELD, OTHER], None, "customers_2026.csv")
    assert found == Unroutable(
        "ambiguous_entity",
        "'customers_2026.csv' can mean field.customer or other.customer:"
        " use a name or a folder that only one of them has",
    )
    assert isinstance(by_folder([FIELD, OTHER], "customers"), Unroutable)
    singular_and_plural = route([WEALTH, OTHER], None, "clients.csv")
    assert isinstance(singular_and_plural, Unroutable)
    assert "other.client or wealth.clients" in singular_and_plural.message


def test_the_longer_name_wins_across_catalogues_too() -> None:
    found = route([FIELD, OTHER], None, "proposal_item_x_1.csv")
    assert isinstance(found, Entity)
    assert found.full_name == "other.proposal_item_x"


def test_the_codes_are_notices() -> None:
    assert {"unknown_entity", "ambiguous_entity"} <= CATALOGUE.keys()


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("territory", "territories"),
        ("day", "days"),
        ("brand", "brands"),
        ("address", "addresses"),
        ("box", "boxes"),
        ("branch", "branches"),
        ("expense", "expenses"),
        ("proposal_item", "proposal_items"),
    ],
)
def test_plurals_are_english(one: str, many: str) -> None:
    assert (plural(one), singular(many)) == (many, one)


ALL = [*FIELD, *WEALTH]


@examples(100)
@given(
    st.sampled_from(ALL),
    st.data(),
    st.just("") | st.builds(str.__add__, st.sampled_from("_.-"), st.text("0123456789-_. ()é", max_size=12)),
    st.sampled_from([".csv", ".CSV.gz", ".jsonl", ".7z"]),
)
def test_every_spelling_of_a_name_finds_its_entity(
    wanted: Entity, data: st.DataObject, rest: str, extension: str
) -> None:
    form = data.draw(st.sampled_from(sorted(names_of(wanted))))
    spelled = "".join(data.draw(st.sampled_from([char, char.upper()])) for char in form)
    spelled = spelled.replace("_", data.draw(st.sampled_from("_- ")))
    assert route([FIELD, WEALTH], None, spelled + rest + extension) is wanted


@examples(150)
@given(st.none() | st.text(max_size=20), st.text(max_size=40))
def test_routing_answers_for_any_name(folder: str | None, name: str) -> None:
    found = route([FIELD, WEALTH, OTHER], folder, name)
    if isinstance(found, Entity) and folder is None:
        assert fold(name).startswith(tuple(names_of(found)))
