"""The scenarios of the official runner that cannot apply to a gateway, by name, with the reason. Everything else has to pass.

Above: `test_client`, `test_server`, `python -m tests.conformance`. Below: nothing.
"""

from __future__ import annotations

from typing import Final

REVISIONS: Final = ("2026-07-28", "2025-11-25")

CLIENT_CANNOT_APPLY: Final[dict[str, dict[str, str]]] = {
    "2026-07-28": {},
    "2025-11-25": {
        "elicitation-sep1034-client-defaults": (
            "needs a client that declares elicitation and shows a person a form in the middle of a call, asked for over a stream"
            " of its own. The adapter declares no capability to servers with sessions: nobody is at its side to be asked."
        ),
    },
}
"""Of the scenarios that a revision requires of clients."""

_TOOLS_ONLY: Final = (
    "our servers offer tools and nothing else, and say so: they declare no such capability, and answer as the protocol asks then."
)
_ASKS_THE_CLIENT: Final = (
    "wants a tool of the server's own that asks the client for something in the middle of a call. Behind the gateway nothing"
    " asks a caller's client on a third party's behalf: the adapter declares no such capability to it. What the gateway itself"
    " asks, to have a person decide, is tried in tests/integration/model_gateway."
)
_MODERN_ASKING: Final = (
    "basic-elicitation",
    "basic-list-roots",
    "basic-sampling",
    "capability-check",
    "ignore-extra-params",
    "missing-input-response",
    "multi-round",
    "multiple-input-requests",
    "non-tool-request",
    "request-state",
    "result-type",
    "tampered-state",
)
_BOTH: Final = dict.fromkeys(
    (
        "completion-complete",
        "prompts-get-embedded-resource",
        "prompts-get-simple",
        "prompts-get-with-args",
        "prompts-get-with-image",
        "prompts-list",
        "resources-list",
        "resources-read-binary",
        "resources-read-text",
        "resources-templates-read",
    ),
    _TOOLS_ONLY,
)

GATEWAY_CANNOT_APPLY: Final[dict[str, dict[str, str]]] = {
    "2026-07-28": {
        **_BOTH,
        **dict.fromkeys(
            (
                "sep-2164-resource-not-found",
                "caching:sep-2549-prompts-list-caching-hints",
                "caching:sep-2549-resources-list-caching-hints",
                "caching:sep-2549-resources-templates-list-caching-hints",
            ),
            _TOOLS_ONLY,
        ),
        **dict.fromkeys((f"input-required-result-{name}" for name in _MODERN_ASKING), _ASKS_THE_CLIENT),
        "server-stateless:sep-2575-server-rejects-undeclared-capability": _ASKS_THE_CLIENT,
        "server-stateless:sep-2575-missing-capability-http-400": _ASKS_THE_CLIENT,
    },
    "2025-11-25": {
        **_BOTH,
        **dict.fromkeys(
            ("logging-set-level", "resources-subscribe", "resources-unsubscribe", "tools-call-with-logging"), _TOOLS_ONLY
        ),
        **dict.fromkeys(
            ("elicitation-sep1034-defaults", "elicitation-sep1330-enums", "tools-call-elicitation", "tools-call-sampling"),
            _ASKS_THE_CLIENT,
        ),
    },
}
"""Of the scenarios, and single checks of scenarios, that a revision requires of servers: before the gateway, by revision."""
