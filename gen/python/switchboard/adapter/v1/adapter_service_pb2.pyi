from buf.validate import validate_pb2 as _validate_pb2
from switchboard.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ToolOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TOOL_OUTCOME_UNSPECIFIED: _ClassVar[ToolOutcome]
    TOOL_OUTCOME_SUCCEEDED: _ClassVar[ToolOutcome]
    TOOL_OUTCOME_TOOL_ERROR: _ClassVar[ToolOutcome]
    TOOL_OUTCOME_PROTOCOL_ERROR: _ClassVar[ToolOutcome]
    TOOL_OUTCOME_HTTP_ERROR: _ClassVar[ToolOutcome]
    TOOL_OUTCOME_TIMEOUT: _ClassVar[ToolOutcome]
    TOOL_OUTCOME_REFUSED: _ClassVar[ToolOutcome]
    TOOL_OUTCOME_CONNECTION_LOST: _ClassVar[ToolOutcome]

class EffectCertainty(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EFFECT_CERTAINTY_UNSPECIFIED: _ClassVar[EffectCertainty]
    EFFECT_CERTAINTY_NONE: _ClassVar[EffectCertainty]
    EFFECT_CERTAINTY_POSSIBLE: _ClassVar[EffectCertainty]
    EFFECT_CERTAINTY_DONE: _ClassVar[EffectCertainty]
TOOL_OUTCOME_UNSPECIFIED: ToolOutcome
TOOL_OUTCOME_SUCCEEDED: ToolOutcome
TOOL_OUTCOME_TOOL_ERROR: ToolOutcome
TOOL_OUTCOME_PROTOCOL_ERROR: ToolOutcome
TOOL_OUTCOME_HTTP_ERROR: ToolOutcome
TOOL_OUTCOME_TIMEOUT: ToolOutcome
TOOL_OUTCOME_REFUSED: ToolOutcome
TOOL_OUTCOME_CONNECTION_LOST: ToolOutcome
EFFECT_CERTAINTY_UNSPECIFIED: EffectCertainty
EFFECT_CERTAINTY_NONE: EffectCertainty
EFFECT_CERTAINTY_POSSIBLE: EffectCertainty
EFFECT_CERTAINTY_DONE: EffectCertainty

class Principal(_message.Message):
    __slots__ = ("tenant", "subject", "kind", "role")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    subject: str
    kind: str
    role: str
    def __init__(self, tenant: _Optional[str] = ..., subject: _Optional[str] = ..., kind: _Optional[str] = ..., role: _Optional[str] = ...) -> None: ...

class InvokeToolRequest(_message.Message):
    __slots__ = ("server", "tool", "arguments_json", "idempotency_key", "correlation_id", "principal")
    SERVER_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    server: str
    tool: str
    arguments_json: bytes
    idempotency_key: str
    correlation_id: str
    principal: Principal
    def __init__(self, server: _Optional[str] = ..., tool: _Optional[str] = ..., arguments_json: _Optional[bytes] = ..., idempotency_key: _Optional[str] = ..., correlation_id: _Optional[str] = ..., principal: _Optional[_Union[Principal, _Mapping]] = ...) -> None: ...

class InvokeToolResponse(_message.Message):
    __slots__ = ("outcome", "effect", "result_json", "error_code", "error_message", "error_field", "retryable", "attempts", "latency_ms")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    RESULT_JSON_FIELD_NUMBER: _ClassVar[int]
    ERROR_CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    outcome: ToolOutcome
    effect: EffectCertainty
    result_json: bytes
    error_code: str
    error_message: str
    error_field: str
    retryable: bool
    attempts: int
    latency_ms: int
    def __init__(self, outcome: _Optional[_Union[ToolOutcome, str]] = ..., effect: _Optional[_Union[EffectCertainty, str]] = ..., result_json: _Optional[bytes] = ..., error_code: _Optional[str] = ..., error_message: _Optional[str] = ..., error_field: _Optional[str] = ..., retryable: _Optional[bool] = ..., attempts: _Optional[int] = ..., latency_ms: _Optional[int] = ...) -> None: ...

class CheckServerRequest(_message.Message):
    __slots__ = ("server",)
    SERVER_FIELD_NUMBER: _ClassVar[int]
    server: str
    def __init__(self, server: _Optional[str] = ...) -> None: ...

class CheckServerResponse(_message.Message):
    __slots__ = ("healthy", "message", "breaker")
    HEALTHY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    BREAKER_FIELD_NUMBER: _ClassVar[int]
    healthy: bool
    message: str
    breaker: str
    def __init__(self, healthy: _Optional[bool] = ..., message: _Optional[str] = ..., breaker: _Optional[str] = ...) -> None: ...
