"""`make bench` works: every way in is measured on real stacks, and what was answered is in the journals. Not how fast it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.bench.load import Load
from tests.bench.measure import Cell, Measurement, Plan
from tests.bench.measured_stack import PROFILABLE
from tests.bench.stacks import ECHO, MeasuredStack
from tests.bench.summary import comparisons, rows
from tests.bench.ways import WAYS
from tests.fix_stack import left_running

_BENCH = (sys.executable, "-m", "tests.bench")
_PATIENCE = 300.0


@pytest.mark.needs("wrk")
def test_a_quick_bench_measures_every_way_at_every_level_and_finds_it_in_the_journal(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    done = subprocess.run(
        [*_BENCH, "--quick", "--json", str(file)], capture_output=True, text=True, check=False, timeout=_PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(file.read_text())
    assert document["faults"] == []
    assert document["machine"]["postgres"]["fsync"] == document["machine"]["postgres"]["synchronous_commit"] == "on"
    assert document["journalled"] >= sum(cell["load"]["answered"] for cell in document["cells"] if cell["way"] not in {"a", "s"})
    found = {(row["way"], row["in_flight"]): row for row in document["rows"]}
    assert list(found) == [(way.letter, in_flight) for in_flight in (1, 32) for way in WAYS]
    assert all(row["per_second"] > 0 and 0 < row["p50_ms"] <= row["p99_ms"] for row in found.values())
    whole = found["c", 32]["cpu_ms"]
    assert all(whole[name] > 0 for name in ("envoy", "dispatch_service", "mcp_adapter_service", "postgres", "generator"))
    titles = [way.title for way in WAYS]
    for expected in ("(c)/(a) at 32 in flight", "(c) - (a) at p50", "in the journal once, as SUCCEEDED", *titles):
        assert expected in done.stdout


def test_without_wrk_the_bench_says_how_to_get_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [*_BENCH, "--quick"], env=os.environ | {"PATH": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "bench: the load generator wrk is missing; install it with: sudo apt-get install wrk\n"


@pytest.mark.slow
@pytest.mark.needs("wrk")
@pytest.mark.parametrize("kind", [[], ["--calls"]])
def test_a_profile_shows_where_both_services_spend_their_time(kind: list[str]) -> None:
    command = [sys.executable, "-m", "tests.bench.profile", "--seconds", "1", "--in-flight", "8", *kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    for expected in ("=== dispatch_service", "=== mcp_adapter_service", "by thread: main", "DispatchCardAction", "mcp_client/"):
        assert expected in done.stdout


@pytest.mark.slow
@pytest.mark.needs("wrk")
def test_a_bench_that_is_told_to_stop_leaves_no_process_behind() -> None:
    with subprocess.Popen([*_BENCH, "--ways", "c"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as bench:
        assert bench.stderr is not None
        assert any("warming up" in line for line in bench.stderr)
        children = psutil.Process(bench.pid).children(recursive=True)
        bench.terminate()
        bench.wait(60)
    assert len(children) > len(PROFILABLE)
    assert left_running([child.pid for child in children]) == []


class _Journal(MeasuredStack):
    """A stack that does not run and has this journal."""

    def __init__(self, journal: dict[str, dict[str, int]]) -> None:
        self._journal = journal

    def pids(self) -> dict[str, int]:
        return {}

    def journalled(self) -> dict[str, dict[str, int]]:
        return self._journal


_LOAD = Load(sent=10, answered=10, failed=0, broken=0, seconds=2.0, p50_ms=1.0, p99_ms=2.0, cpu_seconds=0.5)
_CELL = Cell(way="c", in_flight=1, round=1, run="run", load=_LOAD, cpu={"envoy": 0.2}, elsewhere=0.0)


@pytest.mark.parametrize(
    ("load", "journal", "complaint"),
    [
        (_LOAD, {"SUCCEEDED": 10}, None),
        (_LOAD, {"SUCCEEDED": 9}, "10 answered, but the journal has {'SUCCEEDED': 9}"),
        (_LOAD, {"SUCCEEDED": 10, "FAILED": 1}, "10 answered, but the journal has"),
        (_LOAD, {}, "the journal has none of them"),
        (replace(_LOAD, failed=1), {"SUCCEEDED": 10}, "1 refused"),
        (replace(_LOAD, sent=11), {"SUCCEEDED": 10}, "11 sent, 10 answered"),
        (replace(_LOAD, broken=1), {"SUCCEEDED": 10}, "1 broken"),
    ],
)
def test_answers_and_journal_have_to_agree(load: Load, journal: dict[str, int], complaint: str | None) -> None:
    plan = Plan(ways=[way for way in WAYS if way.letter == "c"], levels=(1,), rounds=1, seconds=1.0, warm_up=1.0)
    measurement = Measurement(plan, {ECHO: _Journal({"run": journal})}, lambda line: None)
    measurement.cells.append(replace(_CELL, load=load))
    faults = measurement.faults()
    assert faults == [] if complaint is None else len(faults) == 1 and complaint in faults[0]


def test_figures_are_medians_and_each_round_is_compared_with_its_own_direct_call() -> None:
    cells = []
    for number, (direct, whole) in enumerate([(100, 20), (200, 60), (50, 5)], start=1):
        for way, calls, p50 in (("a", direct, 1.0), ("c", whole, 1.0 + number)):
            load = replace(_LOAD, sent=calls, answered=calls, p50_ms=p50)
            cells.append(replace(_CELL, way=way, round=number, load=load))
    direct_row, whole_row = rows(cells)
    assert (direct_row.per_second, direct_row.slowest, direct_row.fastest) == (50, 25, 100)
    assert whole_row.cpu_ms["envoy"] == pytest.approx(1000 * 0.6 / 85)
    [comparison] = comparisons(cells)
    assert (comparison.ratio, comparison.ratio_least, comparison.ratio_most) == pytest.approx((0.2, 0.1, 0.3))
    assert comparison.p50_more_ms == 2.0
