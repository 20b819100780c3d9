"""What a tool answers when it does not do what it was asked.

Above: servicers raise these; `invocation` renders them. Below: nothing.

Errors:
    ToolError
    ├── InvalidArgument   an argument cannot be used; `field` says which
    ├── NotFound          what the arguments name does not exist for this caller
    ├── Conflict          the arguments were usable, the state of things is in the way
    ├── Forbidden         this caller may not
    ├── IntegrationDown   the system behind the tool refused or cannot be reached; nothing happened
    └── OutcomeUnknown    it may have happened; the same call with the same key finds out
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, ClassVar

from service_kit.contract.problems import Problem


class Effect(enum.Enum):
    """What a failed call may have changed."""

    NONE = "none"
    POSSIBLE = "possible"


class ToolError(Exception):
    """A refusal that the caller is told of. `message` is for a person and quotes no argument and no vendor.

    `field` is the dotted camelCase path of the argument that is to blame. `retryable` says that the same call with the same key
    may succeed later.
    """

    code: ClassVar[str] = "INTERNAL"
    retryable_by_default: ClassVar[bool] = False
    effect_by_default: ClassVar[Effect] = Effect.NONE

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        retryable: bool | None = None,
        effect: Effect | None = None,
        violations: Sequence[Problem] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.retryable = self.retryable_by_default if retryable is None else retryable
        self.effect = self.effect_by_default if effect is None else effect
        self.violations = tuple(violations)

    def document(self) -> dict[str, Any]:
        """Render the error for `_meta["switchboard.dev/error"]`."""
        document: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.field:
            document["field"] = self.field
        document |= {"retryable": self.retryable, "effect": self.effect.value}
        if self.violations:
            document["violations"] = [
                {"field": problem.path, "rule": problem.rule, "message": problem.message, "missing": problem.missing}
                for problem in self.violations
            ]
        return document


class InvalidArgument(ToolError):
    """An argument cannot be used."""

    code = "INVALID_ARGUMENT"


class NotFound(ToolError):
    """What the arguments name does not exist for this caller."""

    code = "NOT_FOUND"


class Conflict(ToolError):
    """The state of things is in the way."""

    code = "CONFLICT"


class Forbidden(ToolError):
    """This caller may not do that."""

    code = "FORBIDDEN"


class IntegrationDown(ToolError):
    """The system behind the tool refused or cannot be reached; nothing happened."""

    code = "INTEGRATION_DOWN"
    retryable_by_default = True


class OutcomeUnknown(ToolError):
    """It may have happened; the same call with the same key finds out."""

    code = "OUTCOME_UNKNOWN"
    retryable_by_default = True
    effect_by_default = Effect.POSSIBLE


class Internal(ToolError):
    """Something broke here. Raised by the runtime only: a servicer lets its exceptions fly."""

    code = "INTERNAL"
