"""Structured logs: one JSON object a line on standard error, with no payloads in it.

Callers pass facts as keyword fields through `extra={"fields": {...}}` or `log(...)`; a message is a constant string, so
that a person's data has no way into it. Exceptions are logged as type and stack, never with their text: driver and
library texts quote the values they choked on.
"""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import orjson


class JsonFormatter(logging.Formatter):
    """Render a record as one line of JSON."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            # Third-party messages are templates too: arguments stay out unless they came through `log`.
            "message": record.msg if isinstance(record.msg, str) else type(record.msg).__name__,
        }
        fields = getattr(record, "fields", None)
        if fields:
            line.update(fields)
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__qualname__
            frames = traceback.extract_tb(record.exc_info[2])[-12:]
            line["stack"] = [f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
        return orjson.dumps(line, default=str).decode()


def configure_logging(service: str, level: str) -> None:
    """Send every logger's records to standard error as JSON lines, once, at process start."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "uvicorn.access", "mcp", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def log(logger: logging.Logger, level: int, message: str, *, exc_info: bool = False, **fields: Any) -> None:
    """Log a constant `message` with `fields`. Fields must be free of PII and secrets: ids, codes, counts, durations."""
    logger.log(level, message, extra={"fields": fields}, exc_info=exc_info)
