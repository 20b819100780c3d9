"""Reads the contract's descriptor image: which RPCs the front door serves, at which paths and with which needs.

Above: `stack.front_door.routes`, which writes them as Envoy routes. Below: the descriptor image and `google.api.http`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

from stack.errors import StackError

_HTTP_BODY = ".google.api.HttpBody"
_VERBS = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True, kw_only=True)
class HttpBinding:
    """One JSON route of an RPC: an upper-case HTTP method and a path template as in `google.api.http`."""

    verb: str
    template: str

    @property
    def is_literal(self) -> bool:
        """Whether the template is one path, without variables or wildcards."""
        return "{" not in self.template and "*" not in self.template

    @property
    def regex(self) -> str:
        """The paths that the template stands for, as an RE2 expression."""
        return "".join(_segment_regex(piece) for piece in re.split(r"(\{[^}]*\}|\*\*|\*)", self.template))


def _segment_regex(piece: str) -> str:
    if piece.startswith("{"):
        _, _, pattern = piece[1:-1].partition("=")
        return HttpBinding(verb="", template=pattern or "*").regex
    return {"*": "[^/]+", "**": ".*"}.get(piece, re.escape(piece))


@dataclass(frozen=True, kw_only=True)
class Rpc:
    """One public RPC. `takes_raw_body` is set where its JSON route's body is bytes and not JSON."""

    service: str
    name: str
    streams: bool
    takes_raw_body: bool
    bindings: tuple[HttpBinding, ...]

    @property
    def grpc_path(self) -> str:
        """The path of a native gRPC call."""
        return f"/{self.service}/{self.name}"


def read_rpcs(image: Path, internal_packages: Sequence[str]) -> list[Rpc]:
    """Every public RPC in the descriptor image, in the image's order. Raises StackError where it cannot be read."""
    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes()).file
    except OSError as problem:
        raise StackError(f"the descriptor image {image} cannot be read ({problem.strerror}); run `make gen`") from None
    except DecodeError:
        raise StackError(f"{image} is not a descriptor image; run `make gen`") from None
    messages = {f".{file.package}.{message.name}": message for file in files for message in file.message_type}
    return [
        _rpc(f"{file.package}.{service.name}", method, messages)
        for file in files
        if file.package.startswith("switchboard.") and not f"{file.package}.".startswith(tuple(internal_packages))
        for service in file.service
        for method in service.method
    ]


def _rpc(
    service: str,
    method: descriptor_pb2.MethodDescriptorProto,
    messages: dict[str, descriptor_pb2.DescriptorProto],
) -> Rpc:
    rule: http_pb2.HttpRule = method.options.Extensions[annotations_pb2.http]
    body_type = method.input_type
    if rule.body not in ("", "*"):
        fields = messages[method.input_type].field
        body_type = next((field.type_name for field in fields if field.name == rule.body), "")
    return Rpc(
        service=service,
        name=method.name,
        streams=method.server_streaming or method.client_streaming,
        takes_raw_body=body_type == _HTTP_BODY,
        bindings=tuple(_bindings((rule, *rule.additional_bindings))),
    )


def _bindings(rules: Iterable[http_pb2.HttpRule]) -> Iterable[HttpBinding]:
    for rule in rules:
        pattern = rule.WhichOneof("pattern")
        if pattern in _VERBS:
            yield HttpBinding(verb=pattern.upper(), template=getattr(rule, pattern))
        elif pattern == "custom":
            yield HttpBinding(verb=rule.custom.kind, template=rule.custom.path)


def path_matches(path: str, entries: Sequence[str]) -> bool:
    """Whether `path` is at or below one of `entries` by whole segments, or begins with one that ends in a dot."""
    return any(
        path.startswith(entry) and (entry.endswith(".") or path[len(entry) : len(entry) + 1] in ("", "/", ":"))
        for entry in entries
    )
