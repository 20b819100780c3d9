"""What `switchboard up` tells the person at the terminal: short lines, kept in a log file as well.

Above: the supervisor and its commands. Below: standard output.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path


class Console:
    """Prints lines at once, and appends them with a time stamp to `log_file`."""

    def __init__(self, log_file: Path) -> None:
        self._log = log_file.open("a", encoding="utf-8", buffering=1)

    def say(self, line: str = "") -> None:
        """Print one line. A terminal that went away does not stop the stack."""
        if line:
            self._log.write(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {line}\n")
        try:
            print(line, flush=True)
        except (BrokenPipeError, OSError):
            # Nobody reads any more (a closed terminal, `| head`); the log file still has the line.
            sys.stdout = open("/dev/null", "w", encoding="utf-8")  # noqa: SIM115 - lives as long as the process

    def close(self) -> None:
        """Close the log file."""
        self._log.close()
