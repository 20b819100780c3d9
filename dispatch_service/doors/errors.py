"""What every door says of a call that was not carried out: codes, sentences, and where in the request it lies.

Above: the doors. Below: the published error codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from switchboard.dispatch.v1 import error_pb2

from dispatch_service.call import Refusal, ToolAnswer
from service_kit.contract.problems import Problem

MISSING, INVALID, DOWN, UNKNOWN = "MISSING_FIELDS", "INVALID_ARGUMENT", "INTEGRATION_DOWN", "OUTCOME_UNKNOWN"
NOT_FOUND = "What this names is not there."
_CONTRACT = {MISSING: "Some required fields are missing.", INVALID: "Some fields are not right."}
_RETRYABLE = frozenset({DOWN, UNKNOWN, "CONFLICT"})
_ABOUT_A_FIELD = frozenset({INVALID, "NOT_FOUND", "CONFLICT"})


def refusal_of(problems: Sequence[Problem]) -> Refusal:
    """Turn what the contract found into a refusal: MISSING_FIELDS where anything is missing, else INVALID_ARGUMENT."""
    code = MISSING if any(problem.missing for problem in problems) else INVALID
    return Refusal(code, _CONTRACT[code], problems)


def of_refusal(refusal: Refusal) -> error_pb2.ActionError:
    """The error of a call that was refused before anything was called."""
    error = error_pb2.ActionError(code=error_pb2.ErrorCode.Value(refusal.code), details=refusal.details)
    error.missing_fields.extend(problem.path for problem in refusal.problems if problem.missing)
    for problem in refusal.problems:
        if not problem.missing:
            error.field_violations.add(field=problem.path, rule=problem.rule, message=problem.message)
    error.retryable = refusal.code == DOWN or (refusal.code == "CONFLICT" and refusal.retryable)
    return error


def of_tool(answer: ToolAnswer, sentences: Mapping[str, str], path: str) -> error_pb2.ActionError:
    """The error of a call whose tool did not do it. `sentences` are the door's, by code; a tool's code that is none of them is
    the integration's failure. `path` is where in the door's request the tool's complaint lies."""
    code = answer.code if answer.code in sentences and answer.code != UNKNOWN else DOWN
    if answer.possible_effect:
        code = UNKNOWN
    error = error_pb2.ActionError(code=error_pb2.ErrorCode.Value(code), details=sentences[code])
    error.retryable = answer.retryable and code in _RETRYABLE
    if path and code in _ABOUT_A_FIELD:
        error.field_violations.add(field=path, rule=f"tool.{code.lower()}", message=sentences[code])
    return error
