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

class BookingStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BOOKING_STATUS_UNSPECIFIED: _ClassVar[BookingStatus]
    BOOKING_STATUS_SCHEDULED: _ClassVar[BookingStatus]
    BOOKING_STATUS_NEEDS_SCHEDULING: _ClassVar[BookingStatus]
BOOKING_STATUS_UNSPECIFIED: BookingStatus
BOOKING_STATUS_SCHEDULED: BookingStatus
BOOKING_STATUS_NEEDS_SCHEDULING: BookingStatus

class VendorService(_message.Message):
    __slots__ = ("name", "job_type_id", "duration_minutes", "unit_price_cents", "lead_source")
    NAME_FIELD_NUMBER: _ClassVar[int]
    JOB_TYPE_ID_FIELD_NUMBER: _ClassVar[int]
    DURATION_MINUTES_FIELD_NUMBER: _ClassVar[int]
    UNIT_PRICE_CENTS_FIELD_NUMBER: _ClassVar[int]
    LEAD_SOURCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    job_type_id: str
    duration_minutes: int
    unit_price_cents: int
    lead_source: str
    def __init__(self, name: _Optional[str] = ..., job_type_id: _Optional[str] = ..., duration_minutes: _Optional[int] = ..., unit_price_cents: _Optional[int] = ..., lead_source: _Optional[str] = ...) -> None: ...

class GetAvailabilityRequest(_message.Message):
    __slots__ = ("service_hcp_id", "zip", "preferred_dates", "time_window", "service")
    SERVICE_HCP_ID_FIELD_NUMBER: _ClassVar[int]
    ZIP_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_DATES_FIELD_NUMBER: _ClassVar[int]
    TIME_WINDOW_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    service_hcp_id: str
    zip: str
    preferred_dates: _containers.RepeatedScalarFieldContainer[str]
    time_window: _booking_pb2.TimeWindow
    service: VendorService
    def __init__(self, service_hcp_id: _Optional[str] = ..., zip: _Optional[str] = ..., preferred_dates: _Optional[_Iterable[str]] = ..., time_window: _Optional[_Union[_booking_pb2.TimeWindow, str]] = ..., service: _Optional[_Union[VendorService, _Mapping]] = ...) -> None: ...

class Slot(_message.Message):
    __slots__ = ("start_time", "end_time", "date", "time_window")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    DATE_FIELD_NUMBER: _ClassVar[int]
    TIME_WINDOW_FIELD_NUMBER: _ClassVar[int]
    start_time: str
    end_time: str
    date: str
    time_window: _booking_pb2.TimeWindow
    def __init__(self, start_time: _Optional[str] = ..., end_time: _Optional[str] = ..., date: _Optional[str] = ..., time_window: _Optional[_Union[_booking_pb2.TimeWindow, str]] = ...) -> None: ...

class GetAvailabilityResponse(_message.Message):
    __slots__ = ("slots", "time_zone", "served")
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    SERVED_FIELD_NUMBER: _ClassVar[int]
    slots: _containers.RepeatedCompositeFieldContainer[Slot]
    time_zone: str
    served: bool
    def __init__(self, slots: _Optional[_Iterable[_Union[Slot, _Mapping]]] = ..., time_zone: _Optional[str] = ..., served: _Optional[bool] = ...) -> None: ...

class RequestedSlot(_message.Message):
    __slots__ = ("start_time", "end_time")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    start_time: str
    end_time: str
    def __init__(self, start_time: _Optional[str] = ..., end_time: _Optional[str] = ...) -> None: ...

class CreateBookingRequest(_message.Message):
    __slots__ = ("service_hcp_id", "customer", "address", "preferred", "notes", "marketing", "slot", "service")
    SERVICE_HCP_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    MARKETING_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    service_hcp_id: str
    customer: _booking_pb2.Customer
    address: _booking_pb2.Address
    preferred: _booking_pb2.PreferredTimes
    notes: str
    marketing: _booking_pb2.Marketing
    slot: RequestedSlot
    service: VendorService
    def __init__(self, service_hcp_id: _Optional[str] = ..., customer: _Optional[_Union[_booking_pb2.Customer, _Mapping]] = ..., address: _Optional[_Union[_booking_pb2.Address, _Mapping]] = ..., preferred: _Optional[_Union[_booking_pb2.PreferredTimes, _Mapping]] = ..., notes: _Optional[str] = ..., marketing: _Optional[_Union[_booking_pb2.Marketing, _Mapping]] = ..., slot: _Optional[_Union[RequestedSlot, _Mapping]] = ..., service: _Optional[_Union[VendorService, _Mapping]] = ...) -> None: ...

class CreateBookingResponse(_message.Message):
    __slots__ = ("job_id", "status", "start_time", "end_time", "time_zone", "preferred_unavailable")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    status: BookingStatus
    start_time: str
    end_time: str
    time_zone: str
    preferred_unavailable: bool
    def __init__(self, job_id: _Optional[str] = ..., status: _Optional[_Union[BookingStatus, str]] = ..., start_time: _Optional[str] = ..., end_time: _Optional[str] = ..., time_zone: _Optional[str] = ..., preferred_unavailable: _Optional[bool] = ...) -> None: ...

class CreateEstimateRequestRequest(_message.Message):
    __slots__ = ("service_hcp_id", "customer", "address", "problem_summary", "photos_asset_ids", "service")
    SERVICE_HCP_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_SUMMARY_FIELD_NUMBER: _ClassVar[int]
    PHOTOS_ASSET_IDS_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    service_hcp_id: str
    customer: _booking_pb2.Customer
    address: _booking_pb2.Address
    problem_summary: str
    photos_asset_ids: _containers.RepeatedScalarFieldContainer[str]
    service: VendorService
    def __init__(self, service_hcp_id: _Optional[str] = ..., customer: _Optional[_Union[_booking_pb2.Customer, _Mapping]] = ..., address: _Optional[_Union[_booking_pb2.Address, _Mapping]] = ..., problem_summary: _Optional[str] = ..., photos_asset_ids: _Optional[_Iterable[str]] = ..., service: _Optional[_Union[VendorService, _Mapping]] = ...) -> None: ...

class CreateEstimateRequestResponse(_message.Message):
    __slots__ = ("estimate_id", "photos_attached")
    ESTIMATE_ID_FIELD_NUMBER: _ClassVar[int]
    PHOTOS_ATTACHED_FIELD_NUMBER: _ClassVar[int]
    estimate_id: str
    photos_attached: int
    def __init__(self, estimate_id: _Optional[str] = ..., photos_attached: _Optional[int] = ...) -> None: ...
