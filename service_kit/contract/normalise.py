"""Cleans and normalises every string of a message in place, each by the format that the contract gives it.

Above: `validation`. Below: field plans and the text functions. A value that is not of its format stays as it was and is
reported.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from switchboard.options.v1 import options_pb2

from service_kit.contract import text
from service_kit.contract.fields import FieldPlan, Kind, plan_for
from service_kit.contract.problems import Problem, join

# Does one thing to a message; the text is the message's path.
Step = Callable[[Message, str, list[Problem]], None]

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
    for step in _steps(message.DESCRIPTOR):
        step(message, path, problems)
    return problems


@cache
def _steps(descriptor: Descriptor) -> tuple[Step, ...]:
    """Return what is done to a message of this type: its own strings first, then the messages in it, then what spans fields."""
    plan = plan_for(descriptor)
    fields = [field for field in plan.fields if not field.is_map]
    steps = [_clean_all(field) if field.repeated else _clean_one(field) for field in fields if field.kind is Kind.STRING]
    steps += [_walk_all(field) if field.repeated else _walk_one(field) for field in fields if field.kind is Kind.MESSAGE]
    if plan.state_field is not None and plan.zip_field is not None:
        steps.append(_zip_against_state(plan.state_field, plan.zip_field))
    return tuple(steps)


def _clean_one(field: FieldPlan) -> Step:
    name, has_presence, clean = field.name, field.has_presence, _cleaner(field)

    def step(message: Message, path: str, problems: list[Problem]) -> None:
        value = getattr(message, name)
        if not value:
            if has_presence:
                message.ClearField(name)
            return
        try:
            cleaned = clean(value)
        except text.Malformed as problem:
            problems.append(Problem(path=join(path, field.json_name), rule=problem.rule, message=str(problem)))
            return
        if not cleaned and has_presence:
            message.ClearField(name)
        elif cleaned != value:
            setattr(message, name, cleaned)

    return step


def _clean_all(field: FieldPlan) -> Step:
    name, clean = field.name, _cleaner(field)

    def step(message: Message, path: str, problems: list[Problem]) -> None:
        items = getattr(message, name)
        for index, value in enumerate(items):
            try:
                items[index] = clean(value)
            except text.Malformed as problem:
                where = f"{join(path, field.json_name)}[{index}]"
                problems.append(Problem(path=where, rule=problem.rule, message=str(problem)))

    return step


def _walk_one(field: FieldPlan) -> Step:
    name, json_name = field.name, field.json_name

    def step(message: Message, path: str, problems: list[Problem]) -> None:
        if message.HasField(name):
            child, where = getattr(message, name), join(path, json_name)
            for inner in _steps(child.DESCRIPTOR):
                inner(child, where, problems)

    return step


def _walk_all(field: FieldPlan) -> Step:
    name, json_name = field.name, field.json_name

    def step(message: Message, path: str, problems: list[Problem]) -> None:
        for index, child in enumerate(getattr(message, name)):
            where = f"{join(path, json_name)}[{index}]"
            for inner in _steps(child.DESCRIPTOR):
                inner(child, where, problems)

    return step


def _cleaner(field: FieldPlan) -> Callable[[str], str]:
    if field.format == options_pb2.FORMAT_OPAQUE:
        return text.opaque
    if field.format == options_pb2.FORMAT_MULTI_LINE:
        return text.multi_line
    convert = _FORMATS.get(field.format)
    if convert is None:
        return text.one_line
    max_len, converted = field.max_len, convert

    def clean(value: str) -> str:
        cleaned = text.one_line(value)
        # Over-long text is left to its length rule: parsers need not look at kilobytes of it.
        if not cleaned or (max_len and len(cleaned) > max_len):
            return cleaned
        return converted(cleaned)

    return clean


def _zip_against_state(state_field: FieldPlan, zip_field: FieldPlan) -> Step:
    def step(message: Message, path: str, problems: list[Problem]) -> None:
        state, code = getattr(message, state_field.name), getattr(message, zip_field.name)
        if not state or not code or text.zip_in_state(code, state):
            return
        where = join(path, zip_field.json_name)
        mine = {join(path, state_field.json_name), where}
        if not any(problem.path in mine for problem in problems):
            problems.append(
                Problem(path=where, rule="address.zip_in_state", message="This ZIP code does not lie in the state."),
            )

    return step
