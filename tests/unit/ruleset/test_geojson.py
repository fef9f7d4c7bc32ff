"""The shape of GeoJSON, against what frictionless takes for one: what we take, it takes."""

from __future__ import annotations

from typing import Any

import pytest
from frictionless.fields import GeojsonField
from hypothesis import given
from hypothesis import strategies as st

from ingester.ruleset.geojson import has_height, is_geojson
from tests.examples import examples

INDEPENDENT = GeojsonField(name="f").create_cell_reader()
RING = [[0, 0], [1, 0], [1, 1], [0, 0]]
POINT = {"type": "Point", "coordinates": [1, 2]}


@pytest.mark.parametrize(
    "value",
    [
        POINT,
        {"type": "Point", "coordinates": [1.5, 2], "bbox": [1, 2, 3, 4]},
        {"type": "MultiPoint", "coordinates": []},
        {"type": "LineString", "coordinates": [[0, 0], [1, 1]]},
        {"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]]]},
        {"type": "Polygon", "coordinates": [RING, RING]},
        {"type": "MultiPolygon", "coordinates": [[RING]]},
        {"type": "GeometryCollection", "geometries": [POINT]},
        {"type": "Feature", "geometry": POINT, "properties": None, "id": 7},
        {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": None, "properties": {"a": 1}}]},
    ],
)
def test_every_kind_of_object_is_known(value: dict[str, Any]) -> None:
    assert is_geojson(value)
    assert INDEPENDENT(value)[1] is None


def test_a_position_may_have_a_height_which_other_readers_refuse() -> None:
    assert is_geojson({"type": "Point", "coordinates": [1, 2, 300]})


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"type": ["Point"]},
        {"type": "Dot", "coordinates": [1, 2]},
        {"type": "Point"},
        {"type": "Point", "coordinates": [1]},
        {"type": "Point", "coordinates": ["1", "2"]},
        {"type": "Point", "coordinates": [True, False]},
        {"type": "Point", "coordinates": [1, 2], "bbox": [1]},
        {"type": "LineString", "coordinates": [[0, 0]]},
        {"type": "Polygon", "coordinates": [RING[:3]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]},
        {"type": "GeometryCollection", "geometries": [{"type": "GeometryCollection", "geometries": []}]},
        {"type": "Feature", "geometry": POINT},
        {"type": "Feature", "geometry": POINT, "properties": 1},
        {"type": "FeatureCollection", "features": [POINT]},
    ],
)
def test_what_has_another_shape_is_none(value: Any) -> None:
    assert not is_geojson(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-200, 200) | st.sampled_from(["x", "Point"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.fixed_dictionaries(
            {"type": st.sampled_from(["Point", "LineString", "Polygon", "Feature", "GeometryCollection", "x"])},
            optional={"coordinates": inner, "geometry": inner, "properties": inner, "geometries": inner},
        )
    ),
    max_leaves=10,
)


@examples(150)
@given(JSON)
def test_an_independent_reader_takes_whatever_we_take(value: Any) -> None:
    if is_geojson(value) and not has_height(value):
        assert INDEPENDENT(value)[1] is None
