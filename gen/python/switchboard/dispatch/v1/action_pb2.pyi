from buf.validate import validate_pb2 as _validate_pb2
from switchboard.booking.v1 import booking_pb2 as _booking_pb2
from switchboard.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTION_UNSPECIFIED: _ClassVar[Action]
    HOUSECALL_PRO_BOOKING: _ClassVar[Action]
    HOUSECALL_PRO_ESTIMATE_REQUEST: _ClassVar[Action]
    HOUSECALL_PRO_AVAILABILITY_LOOKUP: _ClassVar[Action]
    INTERNAL_BOOKING_FLOW: _ClassVar[Action]

class FlowStep(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FLOW_STEP_UNSPECIFIED: _ClassVar[FlowStep]
    CHOOSE_SERVICE: _ClassVar[FlowStep]
    ENTER_DETAILS: _ClassVar[FlowStep]
    CHOOSE_TIME: _ClassVar[FlowStep]
    REVIEW: _ClassVar[FlowStep]
    BOOK: _ClassVar[FlowStep]
    RESTART: _ClassVar[FlowStep]
ACTION_UNSPECIFIED: Action
HOUSECALL_PRO_BOOKING: Action
HOUSECALL_PRO_ESTIMATE_REQUEST: Action
HOUSECALL_PRO_AVAILABILITY_LOOKUP: Action
INTERNAL_BOOKING_FLOW: Action
FLOW_STEP_UNSPECIFIED: FlowStep
CHOOSE_SERVICE: FlowStep
ENTER_DETAILS: FlowStep
CHOOSE_TIME: FlowStep
REVIEW: FlowStep
BOOK: FlowStep
RESTART: FlowStep

class BookingPayload(_message.Message):
    __slots__ = ("thread_id", "service_id", "customer", "address", "preferred", "notes", "marketing", "slot_id")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    MARKETING_FIELD_NUMBER: _ClassVar[int]
    SLOT_ID_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    service_id: str
    customer: _booking_pb2.Customer
    address: _booking_pb2.Address
    preferred: _booking_pb2.PreferredTimes
    notes: str
    marketing: _booking_pb2.Marketing
    slot_id: str
    def __init__(self, thread_id: _Optional[str] = ..., service_id: _Optional[str] = ..., customer: _Optional[_Union[_booking_pb2.Customer, _Mapping]] = ..., address: _Optional[_Union[_booking_pb2.Address, _Mapping]] = ..., preferred: _Optional[_Union[_booking_pb2.PreferredTimes, _Mapping]] = ..., notes: _Optional[str] = ..., marketing: _Optional[_Union[_booking_pb2.Marketing, _Mapping]] = ..., slot_id: _Optional[str] = ...) -> None: ...

class Photo(_message.Message):
    __slots__ = ("asset_id",)
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    asset_id: str
    def __init__(self, asset_id: _Optional[str] = ...) -> None: ...

class EstimateRequestPayload(_message.Message):
    __slots__ = ("thread_id", "service_id", "customer", "address", "problem_summary", "photos")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_SUMMARY_FIELD_NUMBER: _ClassVar[int]
    PHOTOS_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    service_id: str
    customer: _booking_pb2.Customer
    address: _booking_pb2.Address
    problem_summary: str
    photos: _containers.RepeatedCompositeFieldContainer[Photo]
    def __init__(self, thread_id: _Optional[str] = ..., service_id: _Optional[str] = ..., customer: _Optional[_Union[_booking_pb2.Customer, _Mapping]] = ..., address: _Optional[_Union[_booking_pb2.Address, _Mapping]] = ..., problem_summary: _Optional[str] = ..., photos: _Optional[_Iterable[_Union[Photo, _Mapping]]] = ...) -> None: ...

class AvailabilityLookupPayload(_message.Message):
    __slots__ = ("thread_id", "service_id", "zip", "preferred_dates", "preferred")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    ZIP_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_DATES_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    service_id: str
    zip: str
    preferred_dates: _containers.RepeatedScalarFieldContainer[str]
    preferred: _booking_pb2.PreferredTimes
    def __init__(self, thread_id: _Optional[str] = ..., service_id: _Optional[str] = ..., zip: _Optional[str] = ..., preferred_dates: _Optional[_Iterable[str]] = ..., preferred: _Optional[_Union[_booking_pb2.PreferredTimes, _Mapping]] = ...) -> None: ...

class BookingDraft(_message.Message):
    __slots__ = ("service_id", "customer", "address", "preferred", "notes", "marketing", "slot_id", "any_time")
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    MARKETING_FIELD_NUMBER: _ClassVar[int]
    SLOT_ID_FIELD_NUMBER: _ClassVar[int]
    ANY_TIME_FIELD_NUMBER: _ClassVar[int]
    service_id: str
    customer: _booking_pb2.Customer
    address: _booking_pb2.Address
    preferred: _booking_pb2.PreferredTimes
    notes: str
    marketing: _booking_pb2.Marketing
    slot_id: str
    any_time: bool
    def __init__(self, service_id: _Optional[str] = ..., customer: _Optional[_Union[_booking_pb2.Customer, _Mapping]] = ..., address: _Optional[_Union[_booking_pb2.Address, _Mapping]] = ..., preferred: _Optional[_Union[_booking_pb2.PreferredTimes, _Mapping]] = ..., notes: _Optional[str] = ..., marketing: _Optional[_Union[_booking_pb2.Marketing, _Mapping]] = ..., slot_id: _Optional[str] = ..., any_time: _Optional[bool] = ...) -> None: ...

class BookingFlowPayload(_message.Message):
    __slots__ = ("thread_id", "step", "draft")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    step: FlowStep
    draft: BookingDraft
    def __init__(self, thread_id: _Optional[str] = ..., step: _Optional[_Union[FlowStep, str]] = ..., draft: _Optional[_Union[BookingDraft, _Mapping]] = ...) -> None: ...
