"""Cleans and normalises every string of a message in place, each by the format that the contract gives it.

Above: `validation`. Below: field plans and the text functions. A value that is not of its format stays as it was and is
reported.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from switchboard.options.v1 import options_pb2

from service_kit.contract import text
from service_kit.contract.fields import FieldPlan, Kind, MessagePlan, plan_for
from service_kit.contract.problems import Problem, join

_FORMATS: dict[int, Callable[[str], str]] = {
    options_pb2.FORMAT_PHONE: text.phone,
    options_pb2.FORMAT_EMAIL: text.email,
    options_pb2.FORMAT_US_STATE: text.us_state,
    options_pb2.FORMAT_US_ZIP: text.us_zip,
    options_pb2.FORMAT_DATE: text.calendar_date,
}


def normalise(message: Message, path: str = "") -> list[Problem]:
    """Normalise `message` in place and return what is malformed. Blank optional strings become absent."""
    problems: list[Problem] = []
    _walk(message, path, problems)
    return problems


@cache
def _steps(descriptor: Descriptor) -> tuple[MessagePlan, tuple[FieldPlan, ...], tuple[FieldPlan, ...]]:
    plan = plan_for(descriptor)
    strings = tuple(field for field in plan.fields if field.kind is Kind.STRING and not field.is_map)
    messages = tuple(field for field in plan.fields if field.kind is Kind.MESSAGE and not field.is_map)
    return plan, strings, messages


def _walk(message: Message, path: str, problems: list[Problem]) -> None:
    plan, strings, messages = _steps(message.DESCRIPTOR)
    for field in strings:
        if field.repeated:
            items = getattr(message, field.name)
            for index, value in enumerate(items):
                items[index] = _clean(field, value, f"{join(path, field.json_name)}[{index}]", problems)
        else:
            _clean_field(message, field, path, problems)
    for field in messages:
        if field.repeated:
            for index, child in enumerate(getattr(message, field.name)):
                _walk(child, f"{join(path, field.json_name)}[{index}]", problems)
        elif message.HasField(field.name):
            _walk(getattr(message, field.name), join(path, field.json_name), problems)
    _check_zip_against_state(message, plan, path, problems)


def _clean_field(message: Message, field: FieldPlan, path: str, problems: list[Problem]) -> None:
    value = getattr(message, field.name)
    if not value:
        if field.has_presence:
            message.ClearField(field.name)
        return
    cleaned = _clean(field, value, join(path, field.json_name), problems)
    if not cleaned and field.has_presence:
        message.ClearField(field.name)
    elif cleaned != value:
        setattr(message, field.name, cleaned)


def _clean(field: FieldPlan, value: str, path: str, problems: list[Problem]) -> str:
    try:
        if field.format == options_pb2.FORMAT_OPAQUE:
            return text.opaque(value)
        if field.format == options_pb2.FORMAT_MULTI_LINE:
            return text.multi_line(value)
        cleaned = text.one_line(value)
        convert = _FORMATS.get(field.format)
        # Over-long text is left to its length rule: parsers need not look at kilobytes of it.
        if convert is None or not cleaned or (field.max_len and len(cleaned) > field.max_len):
            return cleaned
        return convert(cleaned)
    except text.Malformed as problem:
        problems.append(Problem(path=path, rule=problem.rule, message=str(problem)))
        return value


def _check_zip_against_state(message: Any, plan: MessagePlan, path: str, problems: list[Problem]) -> None:
    if plan.state_field is None or plan.zip_field is None:
        return
    state, code = getattr(message, plan.state_field.name), getattr(message, plan.zip_field.name)
    mine = {join(path, plan.state_field.json_name), join(path, plan.zip_field.json_name)}
    if not state or not code or any(problem.path in mine for problem in problems):
        return
    if not text.zip_in_state(code, state):
        problems.append(
            Problem(
                path=join(path, plan.zip_field.json_name),
                rule="address.zip_in_state",
                message="This ZIP code does not lie in the state.",
            ),
        )
