"""What Prometheus reads from a service, and what people read of its health."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families


def get(port: int, path: str, *, method: str = "GET", **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    """One request to the operators' listener: status, headers, body."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


def health(port: int, path: str = "/readyz") -> tuple[int, dict[str, Any]]:
    """The status and the checks of a health page, by name."""
    status, _, body = get(port, path)
    return status, json.loads(body)["checks"]


class Scrape:
    """One scrape, as Prometheus' own parser reads it."""

    def __init__(self, text: str) -> None:
        self.families: list[Metric] = list(text_string_to_metric_families(text))

    @classmethod
    def of(cls, port: int) -> Scrape:
        status, _, body = get(port, "/metrics")
        assert status == 200, body
        return cls(body.decode())

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name that have these labels; 0 if there is none."""
        return sum(
            sample.value
            for family in self.families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def labels(self, name: str, label: str) -> set[str]:
        """The values of a label that samples of that name have."""
        return {sample.labels[label] for family in self.families for sample in family.samples if sample.name == name}
