"""What this process holds: tasks, descriptors, sockets, memory. Above: `run`. Below: asyncio's books and /proc."""

from __future__ import annotations

import asyncio
import gc
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# What may be held more at the end than after the warm-up. Descriptors: what the interpreter opens late for itself. Memory:
# the allocator keeps some of the megabytes of the largest replies; what grows by the call passes this within the run.
MORE_TASKS: Final = 0
MORE_SOCKETS: Final = 0
MORE_DESCRIPTORS: Final = 2
MORE_MEGABYTES: Final = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Held is what the process holds at one moment."""

    tasks: int
    sockets: int
    descriptors: int
    megabytes: float

    @classmethod
    def now(cls) -> Held:
        """Count."""
        gc.collect()
        links = [_target(entry) for entry in Path("/proc/self/fd").iterdir()]
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            tasks=len(asyncio.all_tasks()),
            sockets=sum(link.startswith("socket:") for link in links),
            descriptors=len(links),
            megabytes=pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        )

    def leaked_since(self, before: Held) -> list[str]:
        """Return what is held more than it may be, a line each."""
        more = {
            "tasks": (self.tasks - before.tasks, MORE_TASKS),
            "sockets": (self.sockets - before.sockets, MORE_SOCKETS),
            "descriptors": (self.descriptors - before.descriptors, MORE_DESCRIPTORS),
            "MB of memory": (self.megabytes - before.megabytes, MORE_MEGABYTES),
        }
        return [f"{found:g} more {what} than after the warm-up" for what, (found, allowed) in more.items() if found > allowed]

    def __str__(self) -> str:
        return f"{self.tasks} tasks, {self.sockets} sockets, {self.descriptors} descriptors, {self.megabytes:.1f} MB"


def _target(entry: Path) -> str:
    try:
        return os.readlink(entry)
    except OSError:
        return ""  # The listing's own descriptor.
