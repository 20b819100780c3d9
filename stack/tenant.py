"""The default tenant of a stack, read from its tenant file. Everything else in the file is the services' business."""

from __future__ import annotations

import json
from pathlib import Path

from stack.errors import StackError


def tenant_id(file: Path) -> str:
    """Return the file's `tenantId`, or raise StackError."""
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["tenantId"])
    except OSError as problem:
        raise StackError(f"cannot read the tenant file {file} ({problem.strerror}); see SWITCHBOARD_TENANT_FILE") from None
    except (ValueError, KeyError, TypeError):
        raise StackError(f"the tenant file {file} is not a JSON object with a tenantId") from None
