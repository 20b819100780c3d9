"""The descriptor image: the contract's comments, which generated code does not carry.

Above: `schema`, which turns comments into descriptions. Below: `gen/contract.binpb`, written by `make gen`, and the image of any
other root that holds generated code.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import switchboard
from google.protobuf import descriptor_pb2
from switchboard.options.v1 import options_pb2

# Field numbers in descriptor.proto, which source locations are paths of.
_FILE_MESSAGES, _FILE_ENUMS, _FILE_SERVICES = 4, 5, 6
_MESSAGE_FIELDS, _MESSAGE_NESTED, _MESSAGE_ENUMS = 2, 3, 4
_ENUM_VALUES, _SERVICE_METHODS = 2, 2


def image_path() -> Path:
    """Return the path of the image that belongs to the generated code in use."""
    return Path(options_pb2.__file__).resolve().parents[4] / "contract.binpb"


@cache
def comment_of(full_name: str) -> str:
    """Return the comment of a message, field, enum, value, service or RPC as one paragraph, or an empty string."""
    return _comments().get(full_name, "")


def forget() -> None:
    """Read the images anew when they are next asked for: generated code has come or gone."""
    comment_of.cache_clear()
    _comments.cache_clear()


@cache
def _comments() -> dict[str, str]:
    found: dict[str, str] = {}
    images = {Path(root).resolve().parents[1] / image_path().name for root in switchboard.__path__} | {image_path()}
    for path in images:
        if path.exists():
            _read(descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()), found)
    return found


def _read(files: descriptor_pb2.FileDescriptorSet, found: dict[str, str]) -> None:
    for file in files.file:
        if not file.package.startswith("switchboard."):
            continue
        by_path = {
            tuple(location.path): " ".join(location.leading_comments.split())
            for location in file.source_code_info.location
            if location.leading_comments
        }
        for index, message in enumerate(file.message_type):
            _walk_message(message, (_FILE_MESSAGES, index), file.package, by_path, found)
        for index, enum in enumerate(file.enum_type):
            _walk_enum(enum, (_FILE_ENUMS, index), file.package, by_path, found)
        for index, service in enumerate(file.service):
            path = (_FILE_SERVICES, index)
            name = f"{file.package}.{service.name}"
            found[name] = by_path.get(path, "")
            for number, method in enumerate(service.method):
                found[f"{name}.{method.name}"] = by_path.get((*path, _SERVICE_METHODS, number), "")


def _walk_message(
    message: descriptor_pb2.DescriptorProto,
    path: tuple[int, ...],
    scope: str,
    by_path: dict[tuple[int, ...], str],
    found: dict[str, str],
) -> None:
    name = f"{scope}.{message.name}"
    found[name] = by_path.get(path, "")
    for index, field in enumerate(message.field):
        found[f"{name}.{field.name}"] = by_path.get((*path, _MESSAGE_FIELDS, index), "")
    for index, nested in enumerate(message.nested_type):
        _walk_message(nested, (*path, _MESSAGE_NESTED, index), name, by_path, found)
    for index, enum in enumerate(message.enum_type):
        _walk_enum(enum, (*path, _MESSAGE_ENUMS, index), name, by_path, found)


def _walk_enum(
    enum: descriptor_pb2.EnumDescriptorProto,
    path: tuple[int, ...],
    scope: str,
    by_path: dict[tuple[int, ...], str],
    found: dict[str, str],
) -> None:
    found[f"{scope}.{enum.name}"] = by_path.get(path, "")
    for index, value in enumerate(enum.value):
        # Protobuf scopes enum values beside their enum, not inside it.
        found[f"{scope}.{value.name}"] = by_path.get((*path, _ENUM_VALUES, index), "")
