"""Measures every way in at every level, in turns, and checks that what was answered is what was done.

Above: `__main__`. Below: `ways`, `cpu`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.bench import cpu
from tests.bench.load import Load
from tests.bench.stacks import MeasuredStack
from tests.bench.ways import Way

GENERATOR = "generator"
_SUCCEEDED = "SUCCEEDED"
_WARM_UP_IN_FLIGHT = 8

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be measured. Seconds are per way and level and round; the warm-up's are per way."""

    ways: Sequence[Way]
    levels: Sequence[int]
    rounds: int
    seconds: float
    warm_up: float


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One way at one level in one round. `cpu` has the CPU seconds of each process of its stack, and of the generator."""

    way: str
    in_flight: int
    round: int
    run: str
    load: Load
    cpu: Mapping[str, float]
    elsewhere: float
    """CPU seconds that the machine spent on what is not part of the bench."""


class Measurement:
    """One run of the bench over running stacks."""

    def __init__(self, plan: Plan, stacks: Mapping[str, MeasuredStack], say: Say) -> None:
        self._plan = plan
        self._stacks = stacks
        self._say = say
        self._pids = {name: stack.pids() for name, stack in stacks.items()}
        self._warm_ups: list[Cell] = []
        self.cells: list[Cell] = []

    def measure(self) -> None:
        """Warm every way up, then go round: each round has every level of every way."""
        for way in self._plan.ways:
            self._say(f"warming up ({way.letter}) {way.title}")
            self._warm_ups.append(self._cell(way, _WARM_UP_IN_FLIGHT, 0, self._plan.warm_up))
        for number in range(1, self._plan.rounds + 1):
            for in_flight in self._plan.levels:
                for way in self._plan.ways:
                    cell = self._cell(way, in_flight, number, self._plan.seconds)
                    self.cells.append(cell)
                    self._say(
                        f"round {number} of {self._plan.rounds}: ({way.letter}) {way.title}, {in_flight} in flight: "
                        f"{cell.load.per_second:,.0f} calls/s, p50 {cell.load.p50_ms:.2f} ms"
                    )

    def faults(self) -> list[str]:
        """Say what is wrong: a call without a good answer, an answer without a journalled success, or the reverse."""
        found = []
        journals = {name: stack.journalled() for name, stack in self._stacks.items()}
        stack_of = {way.letter: way.stack for way in self._plan.ways if way.journals}
        for cell in (*self._warm_ups, *self.cells):
            load = cell.load
            where = f"({cell.way}) {cell.in_flight} in flight, round {cell.round}"
            if not load.sound:
                found.append(f"{where}: {load.sent} sent, {load.answered} answered, {load.failed} refused, {load.broken} broken")
            if cell.way in stack_of:
                actions = journals[stack_of[cell.way]].get(cell.run, {})
                if actions != {_SUCCEEDED: load.answered}:
                    found.append(f"{where}: {load.answered} answered, but the journal has {actions or 'none of them'}")
        return found

    @property
    def journalled(self) -> int:
        """How many calls were answered and are in a journal, warm-up included."""
        journals = {way.letter for way in self._plan.ways if way.journals}
        return sum(cell.load.answered for cell in (*self._warm_ups, *self.cells) if cell.way in journals)

    def _cell(self, way: Way, in_flight: int, number: int, seconds: float) -> Cell:
        run = secrets.token_hex(6)
        everyone = {f"{stack}/{name}": pid for stack, pids in self._pids.items() for name, pid in pids.items()}
        machine, own, before = cpu.used_by_machine(), cpu.used_by_self(), cpu.used(everyone)
        load = way.drive(self._stacks[way.stack], run, in_flight, seconds)
        after = cpu.used(everyone)
        ours = sum(after.values()) - sum(before.values()) + cpu.used_by_self() - own + load.cpu_seconds
        spent = {name: after[f"{way.stack}/{name}"] - before[f"{way.stack}/{name}"] for name in self._pids[way.stack]} | {
            GENERATOR: load.cpu_seconds
        }
        return Cell(
            way=way.letter,
            in_flight=in_flight,
            round=number,
            run=run,
            load=load,
            cpu=spent,
            elsewhere=max(0.0, cpu.used_by_machine() - machine - ours),
        )
