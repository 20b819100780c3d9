import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ActionStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTION_STATUS_UNSPECIFIED: _ClassVar[ActionStatus]
    RECEIVED: _ClassVar[ActionStatus]
    REJECTED: _ClassVar[ActionStatus]
    PENDING_AUTHORIZATION: _ClassVar[ActionStatus]
    EXECUTING: _ClassVar[ActionStatus]
    SUCCEEDED: _ClassVar[ActionStatus]
    FAILED: _ClassVar[ActionStatus]
    OUTCOME_UNKNOWN: _ClassVar[ActionStatus]
    DENIED: _ClassVar[ActionStatus]
    EXPIRED: _ClassVar[ActionStatus]
    CANCELLED: _ClassVar[ActionStatus]
ACTION_STATUS_UNSPECIFIED: ActionStatus
RECEIVED: ActionStatus
REJECTED: ActionStatus
PENDING_AUTHORIZATION: ActionStatus
EXECUTING: ActionStatus
SUCCEEDED: ActionStatus
FAILED: ActionStatus
OUTCOME_UNKNOWN: ActionStatus
DENIED: ActionStatus
EXPIRED: ActionStatus
CANCELLED: ActionStatus

class ActionLogEntry(_message.Message):
    __slots__ = ("id", "thread_id", "action", "payload_redacted", "status", "mcp_tool", "external_id", "created_at", "correlation_id", "tenant", "actor", "tier", "origin", "input_hash", "output_hash", "redactions", "latency_ms", "error_code", "error_details", "policy_ids", "vendor_reference", "retry_of", "updated_at", "events")
    ID_FIELD_NUMBER: _ClassVar[int]
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_REDACTED_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MCP_TOOL_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    INPUT_HASH_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_HASH_FIELD_NUMBER: _ClassVar[int]
    REDACTIONS_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    ERROR_CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_DETAILS_FIELD_NUMBER: _ClassVar[int]
    POLICY_IDS_FIELD_NUMBER: _ClassVar[int]
    VENDOR_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    RETRY_OF_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    thread_id: str
    action: str
    payload_redacted: _struct_pb2.Struct
    status: ActionStatus
    mcp_tool: str
    external_id: str
    created_at: _timestamp_pb2.Timestamp
    correlation_id: str
    tenant: str
    actor: str
    tier: str
    origin: str
    input_hash: str
    output_hash: str
    redactions: _containers.RepeatedScalarFieldContainer[str]
    latency_ms: int
    error_code: str
    error_details: str
    policy_ids: _containers.RepeatedScalarFieldContainer[str]
    vendor_reference: str
    retry_of: str
    updated_at: _timestamp_pb2.Timestamp
    events: _containers.RepeatedCompositeFieldContainer[ActionEvent]
    def __init__(self, id: _Optional[str] = ..., thread_id: _Optional[str] = ..., action: _Optional[str] = ..., payload_redacted: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., status: _Optional[_Union[ActionStatus, str]] = ..., mcp_tool: _Optional[str] = ..., external_id: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., correlation_id: _Optional[str] = ..., tenant: _Optional[str] = ..., actor: _Optional[str] = ..., tier: _Optional[str] = ..., origin: _Optional[str] = ..., input_hash: _Optional[str] = ..., output_hash: _Optional[str] = ..., redactions: _Optional[_Iterable[str]] = ..., latency_ms: _Optional[int] = ..., error_code: _Optional[str] = ..., error_details: _Optional[str] = ..., policy_ids: _Optional[_Iterable[str]] = ..., vendor_reference: _Optional[str] = ..., retry_of: _Optional[str] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., events: _Optional[_Iterable[_Union[ActionEvent, _Mapping]]] = ...) -> None: ...

class ActionEvent(_message.Message):
    __slots__ = ("type", "at", "status", "chain", "sequence", "hash")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    type: str
    at: _timestamp_pb2.Timestamp
    status: ActionStatus
    chain: str
    sequence: str
    hash: str
    def __init__(self, type: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[_Union[ActionStatus, str]] = ..., chain: _Optional[str] = ..., sequence: _Optional[str] = ..., hash: _Optional[str] = ...) -> None: ...

class ListActionLogRequest(_message.Message):
    __slots__ = ("thread_id", "action", "status", "correlation_id", "created_after", "created_before", "page_size", "page_token")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    action: str
    status: ActionStatus
    correlation_id: str
    created_after: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, thread_id: _Optional[str] = ..., action: _Optional[str] = ..., status: _Optional[_Union[ActionStatus, str]] = ..., correlation_id: _Optional[str] = ..., created_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListActionLogResponse(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[ActionLogEntry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[ActionLogEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetActionLogEntryRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class WatchActionLogRequest(_message.Message):
    __slots__ = ("thread_id", "action", "status")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    action: str
    status: ActionStatus
    def __init__(self, thread_id: _Optional[str] = ..., action: _Optional[str] = ..., status: _Optional[_Union[ActionStatus, str]] = ...) -> None: ...

class WatchActionLogResponse(_message.Message):
    __slots__ = ("entry",)
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    entry: ActionLogEntry
    def __init__(self, entry: _Optional[_Union[ActionLogEntry, _Mapping]] = ...) -> None: ...
