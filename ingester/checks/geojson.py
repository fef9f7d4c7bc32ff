"""GeoJSON in one cell → canonical JSON text. Its shape is `ingester.ruleset.geojson`'s business."""

from __future__ import annotations

import json

import pyarrow as pa

from ingester.checks import canonical
from ingester.checks.fault import Typed
from ingester.ruleset.geojson import is_geojson


def cast_geojson(text: pa.StringArray) -> Typed:
    """Cast one column."""
    return canonical.cast_distinct(text, _geojson, "GeoJSON. Expected an object as RFC 7946 describes it")


def _geojson(cell: str) -> str:
    text = canonical.write(canonical.read(cell))
    if not is_geojson(json.loads(text)):
        raise ValueError("it is no GeoJSON")
    return text
