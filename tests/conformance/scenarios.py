"""The scenarios of the official runner that cannot apply to a gateway, by name, with the reason. Everything else has to pass.

Above: `test_client`, `test_server`, `python -m tests.conformance`. Below: nothing.
"""

from __future__ import annotations

from typing import Final

REVISIONS: Final = ("2026-07-28", "2025-11-25")

CLIENT_CANNOT_APPLY: Final[dict[str, str]] = {
    "elicitation-sep1034-client-defaults": (
        "needs a client that declares elicitation and shows a person a form in the middle of a call over a stream of its own. The"
        " adapter declares no capability to servers with sessions: nobody is at its side to be asked."
    ),
}
"""Of the scenarios that a revision requires of clients."""
