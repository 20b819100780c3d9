"""The report that a person reads. Above: `__main__`. Below: `summary`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.bench import summary
from tests.bench.measure import GENERATOR, Cell, Plan

# What a prototype of the whole path came to on two cores, and what this one is to come to.
_RATIO_AT, _P50_AT = 32, 1
_PROTOTYPE_RATIO, _WANTED_RATIO = 0.18, 0.25
_PROTOTYPE_P50, _WANTED_P50 = 2.2, 2.0
_WANTED_TOKEN = 0.5
_BUSY_BEFORE = 0.5  # Load average per core.
_BUSY_MEANWHILE = 0.1  # Part of the machine.

_PROCESSES = {
    "envoy": "envoy",
    "dispatch_service": "dispatch",
    "mcp_adapter_service": "adapter",
    "housecall_pro": "tool",
    "housecall_pro_sandbox": "sandbox",
    "sdk_echo": "sdk",
    "postgres": "postgres",
}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What was measured on. `load` is the load average over one minute before the start."""

    cores: int
    load: float
    durability: Mapping[str, str]


def text(plan: Plan, machine: Machine, cells: Sequence[Cell], journalled: int, faults: Sequence[str]) -> str:
    """The whole report."""
    titles = {way.letter: f"({way.letter}) {way.title}" for way in plan.ways}
    parts = [
        _heading(plan, machine),
        *_warnings(machine, cells),
        "",
        *_speed(cells, titles),
        "",
        "CPU per call in milliseconds, by process",
        *_cpu(cells, titles),
        "",
        "Against the direct call of the same round: median (least to most)",
        *_against(cells, titles),
        "",
        *_verdict(journalled, faults),
    ]
    return "\n".join(parts)


def _heading(plan: Plan, machine: Machine) -> str:
    version = machine.durability.get("server_version", "?")
    switches = ", ".join(f"{name} {value}" for name, value in machine.durability.items() if name != "server_version")
    return (
        f"{machine.cores} cores, load average {machine.load:.2f} before the start; {plan.rounds} x {plan.seconds:g} s each, "
        f"interleaved; median of the rounds\nPostgreSQL {version}: {switches or 'durability unknown'}"
    )


def _warnings(machine: Machine, cells: Sequence[Cell]) -> Iterable[str]:
    if machine.load > _BUSY_BEFORE * machine.cores:
        yield "WARNING: the machine was busy before the start; measure again when it is quiet"
    elsewhere = summary.elsewhere(cells, machine.cores)
    if elsewhere > _BUSY_MEANWHILE:
        yield f"WARNING: {elsewhere:.0%} of the machine went to other work meanwhile; measure again when it is quiet"


def _speed(cells: Sequence[Cell], titles: Mapping[str, str]) -> list[str]:
    head = ("", "in flight", "calls/s", "least to most", "p50 ms", "p99 ms")
    table = [
        (
            titles[row.way],
            str(row.in_flight),
            f"{row.per_second:,.0f}",
            f"{row.slowest:,.0f} to {row.fastest:,.0f}",
            f"{row.p50_ms:.2f}",
            f"{row.p99_ms:.2f}",
        )
        for row in summary.rows(cells)
    ]
    return _columns(head, table)


def _cpu(cells: Sequence[Cell], titles: Mapping[str, str]) -> list[str]:
    found = summary.rows(cells)
    shown = [name for name in _PROCESSES if any(name in row.cpu_ms for row in found)]
    head = ("", "in flight", *(_PROCESSES[name] for name in shown), "all", GENERATOR)
    table = []
    for row in found:
        servers = sum(value for name, value in row.cpu_ms.items() if name != GENERATOR)
        each = [f"{row.cpu_ms[name]:.3f}" if name in row.cpu_ms else "-" for name in shown]
        table.append((titles[row.way], str(row.in_flight), *each, f"{servers:.3f}", f"{row.cpu_ms.get(GENERATOR, 0.0):.3f}"))
    return _columns(head, table)


def _against(cells: Sequence[Cell], titles: Mapping[str, str]) -> list[str]:
    found = summary.comparisons(cells)
    head = ("", "in flight", "of its calls/s", "", "more at p50, ms", "")
    table = [
        (
            titles[one.way],
            str(one.in_flight),
            f"{one.ratio:.3f}",
            f"({one.ratio_least:.3f} to {one.ratio_most:.3f})",
            f"{one.p50_more_ms:+.2f}",
            f"({one.p50_more_ms_least:+.2f} to {one.p50_more_ms_most:+.2f})",
        )
        for one in found
    ]
    lines = _columns(head, table) if table else ["  not measured: (a) was left out"]
    for one in found:
        if one.way == summary.WHOLE and one.in_flight == _RATIO_AT:
            lines.append(
                f"  (c)/(a) at {_RATIO_AT} in flight: {one.ratio:.3f}; a prototype had {_PROTOTYPE_RATIO}, "
                f"the aim is {_WANTED_RATIO}"
            )
        if one.way == summary.WHOLE and one.in_flight == _P50_AT:
            lines.append(
                f"  (c) - (a) at p50 with one in flight: {one.p50_more_ms:+.2f} ms; a prototype had {_PROTOTYPE_P50:+} ms, "
                f"the aim is {_WANTED_P50:+} ms"
            )
    lines += [
        f"  (c)/(s) at {_RATIO_AT} in flight: {one.ratio:.3f}; the prototype's tool was on the bare SDK, too"
        for one in summary.comparisons(cells, summary.BARE)
        if one.way == summary.WHOLE and one.in_flight == _RATIO_AT
    ]
    lines += [
        f"  a token, checked and decided by policy, at {cost.in_flight} in flight: {cost.p50_more_ms:+.2f} ms at p50, "
        f"{cost.cpu_more_ms:+.3f} ms of CPU per call; the limit is {_WANTED_TOKEN:+} ms"
        for cost in summary.token_costs(cells)
    ]
    return lines


def _verdict(journalled: int, faults: Sequence[str]) -> list[str]:
    if faults:
        return ["WRONG: these figures are worth nothing, because", *(f"  {fault}" for fault in faults)]
    return [f"Every call was answered as it should be, and each of {journalled:,} is in the journal once, as SUCCEEDED."]


def _columns(head: Sequence[str], table: Sequence[Sequence[str]]) -> list[str]:
    """Lines of aligned columns: the first to the left, figures to the right."""
    widths = [max(len(row[column]) for row in (head, *table)) for column in range(len(head))]
    return [
        "  "
        + "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in (head, *table)
    ]
