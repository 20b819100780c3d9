"""Puts the vendor's values into a tool call's arguments, in the places that the contract marks.

Above: the adapter's servicer. Below: tool descriptors and the mapping. A tool without marked fields has no `Substitution` and
its arguments are never parsed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from google.protobuf.descriptor import FieldDescriptor
from switchboard.options.v1 import options_pb2

from mcp_adapter_service.service_mapping.cache import MappingCache
from service_kit.contract.tools import tools


class UnknownService(Exception):
    """The arguments name a service that the tenant does not have, or not any more. `field` is where they name it."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


@dataclass(frozen=True, kw_only=True, slots=True)
class MappedField:
    """One marked argument: its JSON name, its descriptor and the key of its value in the vendor document."""

    json_name: str
    vendor_field: str
    descriptor: FieldDescriptor


class Substitution:
    """Substitution knows the marked arguments of one tool."""

    def __init__(self, server: str, key: MappedField, fields: tuple[MappedField, ...]) -> None:
        self._server = server
        self.key = key
        self.fields = fields

    def apply(self, arguments_json: bytes, tenant: str, mappings: MappingCache) -> bytes:
        """Return the arguments with the vendor's values in them. What a caller put into such a field is always replaced.

        Raises:
            UnknownService: the service is not one that the tenant offers on this server.
            DatabaseUnavailable: the mapping was not read yet.
            ValueError: the arguments are no JSON object.
        """
        arguments = orjson.loads(arguments_json)
        if not isinstance(arguments, dict):
            raise ValueError("the arguments are not a JSON object")
        service_id = arguments.get(self.key.json_name)
        service = mappings.find(tenant, service_id) if isinstance(service_id, str) else None
        if service is None or not service.mapping.active or service.mapping.server != self._server:
            raise UnknownService(self.key.json_name)
        for field in self.fields:
            value = service.vendor.get(field.vendor_field)
            if value is not None:
                arguments[field.json_name] = value
            elif field is self.key:
                raise UnknownService(field.json_name)
            else:
                arguments.pop(field.json_name, None)
        return orjson.dumps(arguments)


@cache
def substitutions() -> dict[tuple[str, str], Substitution]:
    """Return the substitution of every tool of the contract that has marked fields, by (server, tool)."""
    found = {}
    for (server, name), spec in tools().items():
        fields = _marked(spec.messages[0].DESCRIPTOR)
        if fields:
            key = next(field for field in fields if _options(field.descriptor).service_id)
            found[server, name] = Substitution(server, key, fields)
    return found


def _marked(descriptor: Any) -> tuple[MappedField, ...]:
    """The marked fields are looked for at the top only, which is where the contract has them."""
    return tuple(
        MappedField(json_name=field.json_name, vendor_field=_options(field).vendor_field, descriptor=field)
        for field in descriptor.fields
        if field.GetOptions().HasExtension(options_pb2.service_mapping)
    )


def _options(field: FieldDescriptor) -> Any:
    return field.GetOptions().Extensions[options_pb2.service_mapping]
