"""A budget is judged by what was measured, and only by that."""

from __future__ import annotations

import json

import pytest

from tests.benchmarks import figure, soak, table
from tests.benchmarks.claim import Verdict, bounded, faster, flat, lean
from tests.benchmarks.course import BAD, Course, CustomerFile
from tests.benchmarks.figure import Figure, Figures, Ref

OURS, THEIRS, LARGE = Ref("race", "ours", "first"), Ref("race", "theirs", "first"), Ref("race", "ours", "large")


def figures(**seconds: list[float]) -> Figures:
    refs = {"ours": OURS, "theirs": THEIRS, "large": LARGE}
    rows = {"ours": 1000, "theirs": 1000, "large": 10_000}
    return {
        refs[name]: Figure(refs[name], rows[name], times, [int(time * 100e6) for time in times])
        for name, times in seconds.items()
    }


def test_a_ratio_compares_medians_so_that_one_slow_round_decides_nothing() -> None:
    measured = figures(ours=[1.0, 9.0, 1.2], theirs=[2.0, 2.4, 0.1])
    assert figure.ratio(measured, OURS, THEIRS) == pytest.approx(0.6)
    assert measured[OURS].rows_per_second == pytest.approx(1000 / 1.2)


@pytest.mark.parametrize(
    ("ours", "verdict"), [(1.0, Verdict.STRETCHED), (1.2, Verdict.MET), (1.5, Verdict.MET), (1.51, Verdict.MISSED)]
)
def test_a_budget_is_met_up_to_and_including_its_limit(ours: float, verdict: Verdict) -> None:
    claim = faster("validate", OURS, THEIRS, at_most=1.5, stretch=1.0)
    assert claim.judge(figures(ours=[ours], theirs=[1.0])).verdict is verdict


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    judged = faster("validate", OURS, THEIRS, at_most=1.5).judge(figures(ours=[1.0]))
    assert judged.verdict is Verdict.NOT_MEASURED
    assert judged.cells() == ("validate", "", "1.50 x", "", "not measured")


def test_speed_is_flat_by_the_slowest_size_against_the_fastest() -> None:
    measured = figures(ours=[1.0], large=[12.5])
    assert figure.unevenness(measured, [OURS, LARGE]) == pytest.approx(0.2)
    assert flat("sizes", [OURS, LARGE], 0.25).judge(measured).cells()[1:3] == ("20%", "25%")


def test_memory_is_judged_by_its_highest_peak_and_by_its_growth() -> None:
    measured = figures(ours=[1.0, 4.0], large=[4.4])
    assert lean("memory", OURS, 400).judge(measured).cells() == ("memory", "400 MB", "400 MB", "", "met")
    judged = bounded("growth", OURS, LARGE, 0.15).judge(measured)
    assert judged.value == pytest.approx(0.1)
    assert judged.verdict is Verdict.MET


def test_the_document_holds_every_round_and_every_verdict() -> None:
    measured = figures(ours=[1.0, 1.2], theirs=[1.0])
    claims = [faster("validate", OURS, THEIRS, 1.5), faster("large", LARGE, THEIRS, 1.5)]
    written = table.document(measured, [claim.judge(measured) for claim in claims], {"cpus": 2}, {"rows": 1000})
    read = json.loads(json.dumps(written))
    assert read["rows"] == 1000
    assert read["figures"][0] | {"race": "race", "contender": "ours", "seconds": [1.0, 1.2]} == read["figures"][0]
    assert [claim["verdict"] for claim in read["claims"]] == ["met", "not measured"]


def test_the_soak_measures_every_size_its_claims_need() -> None:
    assert soak.sizes(10_000_000) == [10_000, 100_000, 1_000_000, 10_000_000]
    assert soak.rounds_at(10_000, 3) == 15
    assert soak.rounds_at(10_000_000, 3) == 3
    assert soak.at(10_000, OURS).lap == "first, 10,000 rows"


def test_a_course_passes_through_a_pipe_unharmed() -> None:
    course = Course(
        {"customers": CustomerFile("/c.csv", 100, {"required": 1, "reference_not_found": 2})}, "/t.csv", "/"
    )
    line = course.dump()
    assert "\n" not in line
    assert Course.load(line) == course
    assert (course.files["customers"].bad, course.files["customers"].bad_alone) == (3, 1)
    assert 0 < BAD < 1
