from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_CODE_UNSPECIFIED: _ClassVar[ErrorCode]
    MISSING_FIELDS: _ClassVar[ErrorCode]
    INVALID_ARGUMENT: _ClassVar[ErrorCode]
    UNAUTHENTICATED: _ClassVar[ErrorCode]
    FORBIDDEN: _ClassVar[ErrorCode]
    NOT_FOUND: _ClassVar[ErrorCode]
    CONFLICT: _ClassVar[ErrorCode]
    RATE_LIMITED: _ClassVar[ErrorCode]
    REASONING_REQUIRED: _ClassVar[ErrorCode]
    AUTHORIZATION_REQUIRED: _ClassVar[ErrorCode]
    DENIED: _ClassVar[ErrorCode]
    INTEGRATION_DOWN: _ClassVar[ErrorCode]
    OUTCOME_UNKNOWN: _ClassVar[ErrorCode]
    INTERNAL: _ClassVar[ErrorCode]
ERROR_CODE_UNSPECIFIED: ErrorCode
MISSING_FIELDS: ErrorCode
INVALID_ARGUMENT: ErrorCode
UNAUTHENTICATED: ErrorCode
FORBIDDEN: ErrorCode
NOT_FOUND: ErrorCode
CONFLICT: ErrorCode
RATE_LIMITED: ErrorCode
REASONING_REQUIRED: ErrorCode
AUTHORIZATION_REQUIRED: ErrorCode
DENIED: ErrorCode
INTEGRATION_DOWN: ErrorCode
OUTCOME_UNKNOWN: ErrorCode
INTERNAL: ErrorCode

class FieldViolation(_message.Message):
    __slots__ = ("field", "rule", "message")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    field: str
    rule: str
    message: str
    def __init__(self, field: _Optional[str] = ..., rule: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class ActionError(_message.Message):
    __slots__ = ("code", "details", "missing_fields", "field_violations", "retryable")
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELDS_FIELD_NUMBER: _ClassVar[int]
    FIELD_VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    code: ErrorCode
    details: str
    missing_fields: _containers.RepeatedScalarFieldContainer[str]
    field_violations: _containers.RepeatedCompositeFieldContainer[FieldViolation]
    retryable: bool
    def __init__(self, code: _Optional[_Union[ErrorCode, str]] = ..., details: _Optional[str] = ..., missing_fields: _Optional[_Iterable[str]] = ..., field_violations: _Optional[_Iterable[_Union[FieldViolation, _Mapping]]] = ..., retryable: _Optional[bool] = ...) -> None: ...
