"""Whose data a message names, and how many things it is about: what policy asks of a request, read off the contract.

Above: the dispatch service, which puts it to policy. Below: field plans and the option `switchboard.options.v1.scope`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from switchboard.options.v1 import options_pb2

from service_kit.contract.fields import Kind, plan_for


@dataclass(frozen=True, kw_only=True, slots=True)
class _ScopePlan:
    """The fields of one message type that name data (field name, scope name), that are lists, and that lead further down."""

    named: tuple[tuple[str, str], ...]
    lists: tuple[str, ...]
    inner: tuple[str, ...]


def scope_of(message: Message) -> dict[str, tuple[str, ...]]:
    """Return the values by scope (tenant, owner, building, resident, subject) that `message` names, anywhere in it."""
    found: dict[str, list[str]] = {}
    _collect(message, found)
    return {name: tuple(values) for name, values in found.items()}


def items_of(message: Message) -> int:
    """Return how many things `message` is about: the length of its longest list of messages."""
    return max((len(getattr(message, name)) for name in _plan(message.DESCRIPTOR).lists), default=0)


def _collect(message: Message, found: dict[str, list[str]]) -> None:
    plan = _plan(message.DESCRIPTOR)
    for name, scope in plan.named:
        value = getattr(message, name)
        values = [value] if isinstance(value, str) else list(value)
        if any(values):
            found.setdefault(scope, []).extend(text for text in values if text)
    for name in plan.inner:
        value = getattr(message, name)
        if not isinstance(value, Message):
            for item in value:
                _collect(item, found)
        elif message.HasField(name):
            _collect(value, found)


@cache
def _plan(descriptor: Descriptor) -> _ScopePlan:
    named, lists, inner = [], [], []
    for field in plan_for(descriptor).fields:
        scope = descriptor.fields_by_name[field.name].GetOptions().Extensions[options_pb2.scope]
        if scope:
            named.append((field.name, options_pb2.Scope.Name(scope).removeprefix("SCOPE_").lower()))
        if field.kind is Kind.MESSAGE and not field.is_map:
            if field.repeated:
                lists.append(field.name)
            if field.message is not None and field.message is not descriptor and _names_anything(field.message, (descriptor,)):
                inner.append(field.name)
    return _ScopePlan(named=tuple(named), lists=tuple(lists), inner=tuple(inner))


def _names_anything(descriptor: Descriptor, above: tuple[Descriptor, ...]) -> bool:
    """Whether a field with a scope stands anywhere in a message type; the rest need not be looked into at each call."""
    return any(
        descriptor.fields_by_name[field.name].GetOptions().Extensions[options_pb2.scope]
        or (
            field.kind is Kind.MESSAGE
            and field.message is not None
            and field.message not in (*above, descriptor)
            and _names_anything(field.message, (*above, descriptor))
        )
        for field in plan_for(descriptor).fields
    )
