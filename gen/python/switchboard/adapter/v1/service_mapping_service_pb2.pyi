import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from switchboard.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ServiceMapping(_message.Message):
    __slots__ = ("service_id", "name", "summary", "duration_minutes", "price_from_cents", "currency", "server", "vendor", "active", "position", "version")
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    DURATION_MINUTES_FIELD_NUMBER: _ClassVar[int]
    PRICE_FROM_CENTS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    VENDOR_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    service_id: str
    name: str
    summary: str
    duration_minutes: int
    price_from_cents: int
    currency: str
    server: str
    vendor: _struct_pb2.Struct
    active: bool
    position: int
    version: int
    def __init__(self, service_id: _Optional[str] = ..., name: _Optional[str] = ..., summary: _Optional[str] = ..., duration_minutes: _Optional[int] = ..., price_from_cents: _Optional[int] = ..., currency: _Optional[str] = ..., server: _Optional[str] = ..., vendor: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., active: _Optional[bool] = ..., position: _Optional[int] = ..., version: _Optional[int] = ...) -> None: ...

class ListServiceMappingsRequest(_message.Message):
    __slots__ = ("tenant", "include_vendor", "include_inactive")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_VENDOR_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_INACTIVE_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    include_vendor: bool
    include_inactive: bool
    def __init__(self, tenant: _Optional[str] = ..., include_vendor: _Optional[bool] = ..., include_inactive: _Optional[bool] = ...) -> None: ...

class ListServiceMappingsResponse(_message.Message):
    __slots__ = ("mappings",)
    MAPPINGS_FIELD_NUMBER: _ClassVar[int]
    mappings: _containers.RepeatedCompositeFieldContainer[ServiceMapping]
    def __init__(self, mappings: _Optional[_Iterable[_Union[ServiceMapping, _Mapping]]] = ...) -> None: ...

class PutServiceMappingRequest(_message.Message):
    __slots__ = ("tenant", "mapping", "expected_version", "actor", "correlation_id")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    MAPPING_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    mapping: ServiceMapping
    expected_version: int
    actor: str
    correlation_id: str
    def __init__(self, tenant: _Optional[str] = ..., mapping: _Optional[_Union[ServiceMapping, _Mapping]] = ..., expected_version: _Optional[int] = ..., actor: _Optional[str] = ..., correlation_id: _Optional[str] = ...) -> None: ...

class PutServiceMappingResponse(_message.Message):
    __slots__ = ("mapping",)
    MAPPING_FIELD_NUMBER: _ClassVar[int]
    mapping: ServiceMapping
    def __init__(self, mapping: _Optional[_Union[ServiceMapping, _Mapping]] = ...) -> None: ...

class ListServiceMappingChangesRequest(_message.Message):
    __slots__ = ("tenant", "service_id", "page_size")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    service_id: str
    page_size: int
    def __init__(self, tenant: _Optional[str] = ..., service_id: _Optional[str] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListServiceMappingChangesResponse(_message.Message):
    __slots__ = ("changes",)
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[ServiceMappingChange]
    def __init__(self, changes: _Optional[_Iterable[_Union[ServiceMappingChange, _Mapping]]] = ...) -> None: ...

class ServiceMappingChange(_message.Message):
    __slots__ = ("service_id", "actor", "at", "version", "changed_fields", "correlation_id")
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELDS_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    service_id: str
    actor: str
    at: _timestamp_pb2.Timestamp
    version: int
    changed_fields: _containers.RepeatedScalarFieldContainer[str]
    correlation_id: str
    def __init__(self, service_id: _Optional[str] = ..., actor: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., version: _Optional[int] = ..., changed_fields: _Optional[_Iterable[str]] = ..., correlation_id: _Optional[str] = ...) -> None: ...
