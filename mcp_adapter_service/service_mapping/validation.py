"""Checks a mapping against what the tools of its server will be given out of it.

Above: `seed` and `servicer`. Below: tool descriptors and the contract's validation. The vendor document is free-form in the
contract, but each of its values ends up in a typed argument: a mistake in it is found here, not by a customer's booking.
"""

from __future__ import annotations

from typing import Any

from switchboard.adapter.v1 import service_mapping_service_pb2 as pb

from mcp_adapter_service.service_mapping.conversion import vendor_document
from mcp_adapter_service.service_mapping.substitution import MappedField, substitutions
from service_kit.contract.problems import Problem, first_per_path, join
from service_kit.contract.tools import message_class
from service_kit.contract.validation import read_document


def check_mapping(mapping: pb.ServiceMapping, path: str = "") -> list[Problem]:
    """Return what is wrong with the vendor document for the tools of the mapping's server."""
    document = vendor_document(mapping)
    problems: list[Problem] = []
    for (server, _), substitution in substitutions().items():
        if server == mapping.server:
            for field in substitution.fields:
                at = join(path, f"vendor.{field.vendor_field}")
                problems += _check_value(field, document.get(field.vendor_field), at, required=field is substitution.key)
    return first_per_path(problems)


def _check_value(field: MappedField, value: Any, path: str, *, required: bool) -> list[Problem]:
    if value is None:
        return [Problem(path=path, rule="required", message="This is needed.", missing=True)] if required else []
    if field.descriptor.message_type is not None:
        if not isinstance(value, dict):
            return [Problem(path=path, rule="type", message="This has to be an object.")]
        return read_document(value, message_class(field.descriptor.message_type)(), path)
    if not isinstance(value, str) or not value.strip():
        return [Problem(path=path, rule="type", message="This has to be text.")]
    return []
