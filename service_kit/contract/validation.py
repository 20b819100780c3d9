"""Brings a message to its normal form and checks it against the contract, reporting every problem at once.

Above: the journey in `dispatch_service` and the tool-server runtime. Below: `parse`, `normalise` and protovalidate.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from protovalidate import Validator, Violation

from service_kit.contract.fields import STRUCT, Kind, plan_for
from service_kit.contract.normalise import normalise
from service_kit.contract.parse import parse
from service_kit.contract.problems import Problem, first_per_path, join, under

_validator = Validator()

_MESSAGES = {
    "string.max_len": "This is too long: at most {limit} characters.",
    "string.pattern": "This is not of the form that the field takes.",
    "repeated.max_items": "There are too many: at most {limit}.",
    "repeated.unique": "Each may be named once only.",
    "enum.defined_only": "This is not one of the choices.",
}


def read_document(document: dict[str, Any], message: Message, path: str = "") -> list[Problem]:
    """Fill `message` from a JSON document, normalise and check it. Returns every problem, in the contract's order of stages."""
    parsed = parse(document, message, path)
    checked = check(message, path)
    if not parsed:
        return checked
    wrong = [problem.path for problem in parsed]
    # A field of the wrong type is absent from the message: that it is then also missing is not news.
    return first_per_path([*parsed, *(problem for problem in checked if not under(problem.path, wrong))])


def check(message: Message, path: str = "") -> list[Problem]:
    """Normalise `message` in place and check it against the contract's rules. Returns every problem."""
    problems = normalise(message, path)
    leave_out = _without_rules(message.DESCRIPTOR)
    for violation in _validator.collect_violations(_lean(message, leave_out) if leave_out else message):
        problems.extend(_translate(violation, message.DESCRIPTOR, path))
    return first_per_path(problems) if problems else problems


@cache
def _without_rules(descriptor: Descriptor) -> frozenset[str]:
    """Return the Structs of a message type that have no rule but that they are needed.

    The validator walks through all that a Struct holds, and finds nothing.
    """
    if descriptor.GetOptions().HasExtension(validate_pb2.message):
        return frozenset()
    return frozenset(
        field.name
        for field in descriptor.fields
        if field.message_type is not None
        and field.message_type.full_name == STRUCT
        and not field.is_repeated
        and all(rule.name == "required" for rule, _ in field.GetOptions().Extensions[validate_pb2.field].ListFields())
    )


def _lean(message: Message, leave_out: frozenset[str]) -> Message:
    """Return `message` with nothing in those Structs; that they are there can still be seen."""
    lean = type(message)()
    lean.CopyFrom(message)
    for name in leave_out:
        if message.HasField(name):
            held = getattr(lean, name)
            held.Clear()
            held.SetInParent()
    return lean


def _translate(violation: Violation, root: Any, prefix: str) -> list[Problem]:
    raw = violation.proto
    path, descriptor = _path_of(raw.field, root, prefix)
    if raw.rule_id == "required":
        return _missing(path, descriptor)
    template = _MESSAGES.get(raw.rule_id)
    message = template.format(limit=violation.rule_value) if template else f"The value {raw.message}."
    return [Problem(path=path, rule=raw.rule_id, message=message)]


def _path_of(field: Any, root: Any, prefix: str) -> tuple[str, Descriptor | None]:
    """Return the camelCase path of a violation and, where it is a whole message, that message's type."""
    path: str = prefix
    descriptor: Descriptor = root
    for element in field.elements if field is not None else ():
        plan = plan_for(descriptor).by_name[element.field_name]
        path = join(path, plan.json_name)
        if element.subscript is not None:
            path += f"[{element.subscript.value}]"
        if plan.message is None:
            return path, None
        descriptor = plan.message
    return path, descriptor


def _missing(path: str, descriptor: Descriptor | None) -> list[Problem]:
    """A missing message is reported as the required fields in it: those are what a form can ask for."""
    if descriptor is not None:
        plan = plan_for(descriptor)
        required = [field for field in plan.fields if field.required]
        if required:
            return [
                problem
                for field in required
                for problem in _missing(join(path, field.json_name), field.message if field.kind is Kind.MESSAGE else None)
            ]
    return [Problem(path=path, rule="required", message="This is needed.", missing=True)]
