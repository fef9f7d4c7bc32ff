"""The shape of a GeoJSON object, RFC 7946: a geometry, a feature, a collection of either. Not what positions mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Geometry → how deep its positions lie, and how many each innermost list of them has at least.
_GEOMETRIES: Mapping[str, tuple[int, int]] = {
    "Point": (0, 1),
    "MultiPoint": (1, 0),
    "LineString": (1, 2),
    "MultiLineString": (2, 2),
    "Polygon": (2, 4),
    "MultiPolygon": (3, 4),
}


def is_geojson(value: Any) -> bool:
    """Whether parsed JSON is a GeoJSON object; a collection inside a collection (section 3.1.8) is refused."""
    if not isinstance(value, dict) or not _is_box(value.get("bbox")) or "crs" in value:
        return False
    match value.get("type"):
        case "Feature":
            return _is_feature(value)
        case "FeatureCollection":
            features = value.get("features")
            return isinstance(features, list) and all(map(_is_feature, features))
        case "GeometryCollection":
            geometries = value.get("geometries")
            return isinstance(geometries, list) and all(map(_is_geometry, geometries))
    return _is_geometry(value)


def has_height(value: Any) -> bool:
    """Whether a position of a GeoJSON object has more than a longitude and a latitude, which not every reader takes."""
    if isinstance(value, dict):
        return any(has_height(each) for key, each in value.items() if key not in {"properties", "bbox"})
    if isinstance(value, list):
        return len(value) > 2 if value and all(map(_is_number, value)) else any(map(has_height, value))
    return False


def _is_feature(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("type") == "Feature"
        and {"geometry", "properties"} <= value.keys()
        and (value["geometry"] is None or _is_geometry(value["geometry"]))
        and (value["properties"] is None or isinstance(value["properties"], dict))
    )


def _is_geometry(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str) or value["type"] not in _GEOMETRIES:
        return False
    depth, least = _GEOMETRIES[value["type"]]
    coordinates = value.get("coordinates")
    if not _are_coordinates(coordinates, depth, least):
        return False
    return "Polygon" not in value["type"] or _is_closed(coordinates, depth)


def _are_coordinates(value: Any, depth: int, least: int) -> bool:
    if not isinstance(value, list):
        return False
    if depth == 0:
        return len(value) >= 2 and all(_is_number(each) for each in value)
    return (depth > 1 or len(value) >= least) and all(_are_coordinates(each, depth - 1, least) for each in value)


def _is_closed(coordinates: Any, depth: int) -> bool:
    """Whether every ring ends where it begins."""
    if depth == 1:
        return bool(coordinates[0] == coordinates[-1])
    return all(_is_closed(each, depth - 1) for each in coordinates)


def _is_box(value: Any) -> bool:
    return value is None or (isinstance(value, list) and len(value) in {4, 6} and all(map(_is_number, value)))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
