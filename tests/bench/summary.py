"""What the cells of a measurement come to: medians over the rounds, CPU per call, and the comparison with a direct call.

Above: `report`. Below: the cells of `measure`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from tests.bench.measure import GENERATOR, Cell

DIRECT, BARE, WHOLE, WITH_TOKEN = "a", "s", "c", "e"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way at one level. `cpu_ms` is the CPU time per call of each process, in milliseconds."""

    way: str
    in_flight: int
    per_second: float
    slowest: float
    fastest: float
    p50_ms: float
    p99_ms: float
    cpu_ms: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One way against the direct call at one level, round by round: the median, the least and the most."""

    way: str
    in_flight: int
    ratio: float
    ratio_least: float
    ratio_most: float
    p50_more_ms: float
    p50_more_ms_least: float
    p50_more_ms_most: float


def rows(cells: Sequence[Cell]) -> list[Row]:
    """Every way at every level, in the order in which they were measured."""
    return [_row(way, in_flight, cells) for way, in_flight in dict.fromkeys((cell.way, cell.in_flight) for cell in cells)]


def comparisons(cells: Sequence[Cell], base: str = DIRECT) -> list[Comparison]:
    """Every other way against the direct call of the same round, ours or the bare SDK's."""
    direct = {(cell.in_flight, cell.round): cell for cell in cells if cell.way == base}
    found = []
    for way, in_flight in dict.fromkeys((cell.way, cell.in_flight) for cell in cells if cell.way != base):
        pairs = [
            (cell, direct[in_flight, cell.round])
            for cell in cells
            if (cell.way, cell.in_flight) == (way, in_flight) and (in_flight, cell.round) in direct
        ]
        if pairs:
            ratios = [cell.load.per_second / base.load.per_second for cell, base in pairs if base.load.per_second]
            more = [cell.load.p50_ms - base.load.p50_ms for cell, base in pairs]
            found.append(_comparison(way, in_flight, ratios or [0.0], more))
    return found


@dataclass(frozen=True, kw_only=True)
class TokenCost:
    """What a token costs per call at one level: time at p50 and CPU of every process, in milliseconds."""

    in_flight: int
    p50_more_ms: float
    cpu_more_ms: float


def token_costs(cells: Sequence[Cell]) -> list[TokenCost]:
    """The same click with a token and without, of the same rounds."""
    without = {(cell.in_flight, cell.round): cell for cell in cells if cell.way == WHOLE}
    found = []
    for in_flight in dict.fromkeys(cell.in_flight for cell in cells if cell.way == WITH_TOKEN):
        pairs = [
            (cell, without[in_flight, cell.round])
            for cell in cells
            if (cell.way, cell.in_flight) == (WITH_TOKEN, in_flight) and (in_flight, cell.round) in without
        ]
        if pairs:
            found.append(
                TokenCost(
                    in_flight=in_flight,
                    p50_more_ms=median(cell.load.p50_ms - base.load.p50_ms for cell, base in pairs),
                    cpu_more_ms=median(_cpu_ms(cell) - _cpu_ms(base) for cell, base in pairs),
                )
            )
    return found


def _cpu_ms(cell: Cell) -> float:
    servers = sum(seconds for name, seconds in cell.cpu.items() if name != GENERATOR)
    return 1000 * servers / cell.load.answered if cell.load.answered else 0.0


def elsewhere(cells: Sequence[Cell], cores: int) -> float:
    """The part of the machine's CPU time that went to what is not part of the bench, 0 to 1."""
    seconds = sum(cell.load.seconds for cell in cells)
    return sum(cell.elsewhere for cell in cells) / (seconds * cores) if seconds else 0.0


def as_json(cells: Sequence[Cell]) -> dict[str, Any]:
    """Everything, for `--json`."""
    return {
        "rows": [asdict(row) for row in rows(cells)],
        "comparisons": [asdict(comparison) for comparison in comparisons(cells)],
        "token_costs": [asdict(cost) for cost in token_costs(cells)],
        "cells": [asdict(cell) | {"per_second": cell.load.per_second} for cell in cells],
    }


def _row(way: str, in_flight: int, cells: Sequence[Cell]) -> Row:
    mine = [cell for cell in cells if (cell.way, cell.in_flight) == (way, in_flight)]
    rates = [cell.load.per_second for cell in mine]
    calls = sum(cell.load.answered for cell in mine)
    names = dict.fromkeys(name for cell in mine for name in cell.cpu)
    return Row(
        way=way,
        in_flight=in_flight,
        per_second=median(rates),
        slowest=min(rates),
        fastest=max(rates),
        p50_ms=median(cell.load.p50_ms for cell in mine),
        p99_ms=median(cell.load.p99_ms for cell in mine),
        cpu_ms={name: 1000 * sum(cell.cpu.get(name, 0.0) for cell in mine) / calls if calls else 0.0 for name in names},
    )


def _comparison(way: str, in_flight: int, ratios: Sequence[float], more: Sequence[float]) -> Comparison:
    return Comparison(
        way=way,
        in_flight=in_flight,
        ratio=median(ratios),
        ratio_least=min(ratios),
        ratio_most=max(ratios),
        p50_more_ms=median(more),
        p50_more_ms_least=min(more),
        p50_more_ms_most=max(more),
    )
