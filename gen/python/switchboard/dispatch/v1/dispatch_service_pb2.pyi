from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from switchboard.dispatch.v1 import action_pb2 as _action_pb2
from switchboard.dispatch.v1 import card_pb2 as _card_pb2
from switchboard.dispatch.v1 import error_pb2 as _error_pb2
from switchboard.options.v1 import options_pb2 as _options_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DispatchContext(_message.Message):
    __slots__ = ("thread_id", "session_id")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    session_id: str
    def __init__(self, thread_id: _Optional[str] = ..., session_id: _Optional[str] = ...) -> None: ...

class DispatchRequest(_message.Message):
    __slots__ = ("housecall_pro_booking", "housecall_pro_estimate_request", "housecall_pro_availability_lookup", "internal_booking_flow", "context", "idempotency_key")
    HOUSECALL_PRO_BOOKING_FIELD_NUMBER: _ClassVar[int]
    HOUSECALL_PRO_ESTIMATE_REQUEST_FIELD_NUMBER: _ClassVar[int]
    HOUSECALL_PRO_AVAILABILITY_LOOKUP_FIELD_NUMBER: _ClassVar[int]
    INTERNAL_BOOKING_FLOW_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    housecall_pro_booking: _action_pb2.BookingPayload
    housecall_pro_estimate_request: _action_pb2.EstimateRequestPayload
    housecall_pro_availability_lookup: _action_pb2.AvailabilityLookupPayload
    internal_booking_flow: _action_pb2.BookingFlowPayload
    context: DispatchContext
    idempotency_key: str
    def __init__(self, housecall_pro_booking: _Optional[_Union[_action_pb2.BookingPayload, _Mapping]] = ..., housecall_pro_estimate_request: _Optional[_Union[_action_pb2.EstimateRequestPayload, _Mapping]] = ..., housecall_pro_availability_lookup: _Optional[_Union[_action_pb2.AvailabilityLookupPayload, _Mapping]] = ..., internal_booking_flow: _Optional[_Union[_action_pb2.BookingFlowPayload, _Mapping]] = ..., context: _Optional[_Union[DispatchContext, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class DispatchCardActionRequest(_message.Message):
    __slots__ = ("action", "payload", "context", "idempotency_key")
    ACTION_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    action: str
    payload: _struct_pb2.Struct
    context: DispatchContext
    idempotency_key: str
    def __init__(self, action: _Optional[str] = ..., payload: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., context: _Optional[_Union[DispatchContext, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class DispatchResult(_message.Message):
    __slots__ = ("ok", "action", "correlation_id", "result", "error")
    OK_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ok: bool
    action: _action_pb2.Action
    correlation_id: str
    result: ActionResult
    error: _error_pb2.ActionError
    def __init__(self, ok: _Optional[bool] = ..., action: _Optional[_Union[_action_pb2.Action, str]] = ..., correlation_id: _Optional[str] = ..., result: _Optional[_Union[ActionResult, _Mapping]] = ..., error: _Optional[_Union[_error_pb2.ActionError, _Mapping]] = ...) -> None: ...

class ActionResult(_message.Message):
    __slots__ = ("message", "external_id", "card")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    message: str
    external_id: str
    card: _card_pb2.CardIntent
    def __init__(self, message: _Optional[str] = ..., external_id: _Optional[str] = ..., card: _Optional[_Union[_card_pb2.CardIntent, _Mapping]] = ...) -> None: ...
