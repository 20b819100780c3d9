"""ServiceMappingService: the mapping as people see and change it.

Above: the gRPC server. Below: `cache` for reading, `store` for changing, the contract's validation.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import Message
from switchboard.adapter.v1 import service_mapping_service_pb2 as pb
from switchboard.adapter.v1 import service_mapping_service_pb2_grpc as pb_grpc

from mcp_adapter_service.service_mapping import conversion
from mcp_adapter_service.service_mapping.cache import MappingCache
from mcp_adapter_service.service_mapping.store import Author, MappingStore
from mcp_adapter_service.service_mapping.validation import check_mapping
from service_kit.contract.problems import Problem
from service_kit.contract.validation import check
from service_kit.errors import InvalidArgument
from service_kit.logging import log
from service_kit.postgres import DatabaseError

_logger = logging.getLogger(__name__)
_DEFAULT_PAGE_SIZE = 50

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class ServiceMappingServicer(pb_grpc.ServiceMappingServiceServicer):
    """ServiceMappingServicer lists from memory and changes through the store; `servers` are the names that may be mapped to."""

    def __init__(self, store: MappingStore, cache: MappingCache, servers: frozenset[str]) -> None:
        self._store = store
        self._cache = cache
        self._servers = servers

    async def ListServiceMappings(
        self, request: pb.ListServiceMappingsRequest, context: Context
    ) -> pb.ListServiceMappingsResponse:
        """List a tenant's mappings in display order."""
        _require_valid(request)
        shown = (
            service.mapping
            for service in self._cache.of_tenant(request.tenant).values()
            if service.mapping.active or request.include_inactive
        )
        if not request.include_vendor:
            shown = (conversion.without_vendor(mapping) for mapping in shown)
        return pb.ListServiceMappingsResponse(mappings=shown)

    async def PutServiceMapping(self, request: pb.PutServiceMappingRequest, context: Context) -> pb.PutServiceMappingResponse:
        """Create or replace one mapping; ABORTED where `expected_version` is not the current one."""
        _require_valid(request)
        problems = check_mapping(request.mapping, "mapping")
        if request.mapping.server not in self._servers:
            message = "There is no tool server of this name."
            problems.append(Problem(path="mapping.server", rule="unknown_server", message=message))
        if problems:
            raise _invalid(problems)
        author = Author(actor=request.actor, correlation_id=request.correlation_id)
        stored = await self._store.put(request.tenant, request.mapping, author, expected_version=request.expected_version)
        log(
            _logger,
            logging.INFO,
            "service mapping put",
            service_id=stored.service_id,
            version=stored.version,
            correlation_id=request.correlation_id,
        )
        # The change is committed: that it cannot be read back this moment does not undo it, and polling makes up for it.
        with suppress(DatabaseError):
            await self._cache.refresh()
        return pb.PutServiceMappingResponse(mapping=stored)

    async def ListServiceMappingChanges(
        self, request: pb.ListServiceMappingChangesRequest, context: Context
    ) -> pb.ListServiceMappingChangesResponse:
        """List a tenant's changes, newest first."""
        _require_valid(request)
        changes = await self._store.changes(request.tenant, request.service_id, request.page_size or _DEFAULT_PAGE_SIZE)
        response = pb.ListServiceMappingChangesResponse()
        for change in changes:
            shown = response.changes.add(
                service_id=change.service_id,
                actor=change.actor,
                version=change.version,
                changed_fields=change.changed_fields,
                correlation_id=change.correlation_id,
            )
            shown.at.FromDatetime(change.at)
        return response


def _require_valid(request: Message) -> None:
    problems = check(request)
    if problems:
        raise _invalid(problems)


def _invalid(problems: list[Problem]) -> InvalidArgument:
    return InvalidArgument("INVALID_ARGUMENT", "The request breaks the contract; see its field violations.", problems=problems)
