from google.protobuf import struct_pb2 as _struct_pb2
from switchboard.booking.v1 import booking_pb2 as _booking_pb2
from switchboard.dispatch.v1 import action_pb2 as _action_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CardIntent(_message.Message):
    __slots__ = ("card_id", "type", "title", "text", "facts", "actions", "expires_at", "service_recommendation", "availability_slots", "booking_confirmation", "estimate_confirmation", "missing_fields", "fallback")
    CARD_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    SERVICE_RECOMMENDATION_FIELD_NUMBER: _ClassVar[int]
    AVAILABILITY_SLOTS_FIELD_NUMBER: _ClassVar[int]
    BOOKING_CONFIRMATION_FIELD_NUMBER: _ClassVar[int]
    ESTIMATE_CONFIRMATION_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELDS_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    card_id: str
    type: str
    title: str
    text: str
    facts: _containers.RepeatedCompositeFieldContainer[CardFact]
    actions: _containers.RepeatedCompositeFieldContainer[CardAction]
    expires_at: str
    service_recommendation: ServiceRecommendationBody
    availability_slots: AvailabilitySlotsBody
    booking_confirmation: BookingConfirmationBody
    estimate_confirmation: EstimateConfirmationBody
    missing_fields: MissingFieldsBody
    fallback: FallbackBody
    def __init__(self, card_id: _Optional[str] = ..., type: _Optional[str] = ..., title: _Optional[str] = ..., text: _Optional[str] = ..., facts: _Optional[_Iterable[_Union[CardFact, _Mapping]]] = ..., actions: _Optional[_Iterable[_Union[CardAction, _Mapping]]] = ..., expires_at: _Optional[str] = ..., service_recommendation: _Optional[_Union[ServiceRecommendationBody, _Mapping]] = ..., availability_slots: _Optional[_Union[AvailabilitySlotsBody, _Mapping]] = ..., booking_confirmation: _Optional[_Union[BookingConfirmationBody, _Mapping]] = ..., estimate_confirmation: _Optional[_Union[EstimateConfirmationBody, _Mapping]] = ..., missing_fields: _Optional[_Union[MissingFieldsBody, _Mapping]] = ..., fallback: _Optional[_Union[FallbackBody, _Mapping]] = ...) -> None: ...

class CardFact(_message.Message):
    __slots__ = ("label", "value")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    label: str
    value: str
    def __init__(self, label: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class CardAction(_message.Message):
    __slots__ = ("label", "dispatch", "open_form", "call", "link")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    DISPATCH_FIELD_NUMBER: _ClassVar[int]
    OPEN_FORM_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    label: str
    dispatch: DispatchCardActionButton
    open_form: OpenFormButton
    call: CallButton
    link: LinkButton
    def __init__(self, label: _Optional[str] = ..., dispatch: _Optional[_Union[DispatchCardActionButton, _Mapping]] = ..., open_form: _Optional[_Union[OpenFormButton, _Mapping]] = ..., call: _Optional[_Union[CallButton, _Mapping]] = ..., link: _Optional[_Union[LinkButton, _Mapping]] = ...) -> None: ...

class DispatchCardActionButton(_message.Message):
    __slots__ = ("action", "prefill")
    ACTION_FIELD_NUMBER: _ClassVar[int]
    PREFILL_FIELD_NUMBER: _ClassVar[int]
    action: _action_pb2.Action
    prefill: _struct_pb2.Struct
    def __init__(self, action: _Optional[_Union[_action_pb2.Action, str]] = ..., prefill: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class OpenFormButton(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: str
    def __init__(self, key: _Optional[str] = ...) -> None: ...

class CallButton(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: str
    def __init__(self, key: _Optional[str] = ...) -> None: ...

class LinkButton(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: str
    def __init__(self, key: _Optional[str] = ...) -> None: ...

class OfferedService(_message.Message):
    __slots__ = ("service_id", "name", "summary", "duration_minutes", "price_from", "currency")
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    DURATION_MINUTES_FIELD_NUMBER: _ClassVar[int]
    PRICE_FROM_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    service_id: str
    name: str
    summary: str
    duration_minutes: int
    price_from: float
    currency: str
    def __init__(self, service_id: _Optional[str] = ..., name: _Optional[str] = ..., summary: _Optional[str] = ..., duration_minutes: _Optional[int] = ..., price_from: _Optional[float] = ..., currency: _Optional[str] = ...) -> None: ...

class ServiceRecommendationBody(_message.Message):
    __slots__ = ("services",)
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    services: _containers.RepeatedCompositeFieldContainer[OfferedService]
    def __init__(self, services: _Optional[_Iterable[_Union[OfferedService, _Mapping]]] = ...) -> None: ...

class OfferedSlot(_message.Message):
    __slots__ = ("slot_id", "date", "start_time", "end_time", "time_window", "label")
    SLOT_ID_FIELD_NUMBER: _ClassVar[int]
    DATE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    TIME_WINDOW_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    slot_id: str
    date: str
    start_time: str
    end_time: str
    time_window: _booking_pb2.TimeWindow
    label: str
    def __init__(self, slot_id: _Optional[str] = ..., date: _Optional[str] = ..., start_time: _Optional[str] = ..., end_time: _Optional[str] = ..., time_window: _Optional[_Union[_booking_pb2.TimeWindow, str]] = ..., label: _Optional[str] = ...) -> None: ...

class AvailabilitySlotsBody(_message.Message):
    __slots__ = ("service_id", "time_zone", "slots")
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    service_id: str
    time_zone: str
    slots: _containers.RepeatedCompositeFieldContainer[OfferedSlot]
    def __init__(self, service_id: _Optional[str] = ..., time_zone: _Optional[str] = ..., slots: _Optional[_Iterable[_Union[OfferedSlot, _Mapping]]] = ...) -> None: ...

class BookingConfirmationBody(_message.Message):
    __slots__ = ("reference", "service_id", "scheduled", "start_time", "end_time", "time_zone")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEDULED_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    reference: str
    service_id: str
    scheduled: bool
    start_time: str
    end_time: str
    time_zone: str
    def __init__(self, reference: _Optional[str] = ..., service_id: _Optional[str] = ..., scheduled: _Optional[bool] = ..., start_time: _Optional[str] = ..., end_time: _Optional[str] = ..., time_zone: _Optional[str] = ...) -> None: ...

class EstimateConfirmationBody(_message.Message):
    __slots__ = ("reference", "service_id", "photos_attached")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    PHOTOS_ATTACHED_FIELD_NUMBER: _ClassVar[int]
    reference: str
    service_id: str
    photos_attached: int
    def __init__(self, reference: _Optional[str] = ..., service_id: _Optional[str] = ..., photos_attached: _Optional[int] = ...) -> None: ...

class FormField(_message.Message):
    __slots__ = ("path", "label", "input_type", "required", "max_length", "options")
    PATH_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    INPUT_TYPE_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    path: str
    label: str
    input_type: str
    required: bool
    max_length: int
    options: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, path: _Optional[str] = ..., label: _Optional[str] = ..., input_type: _Optional[str] = ..., required: _Optional[bool] = ..., max_length: _Optional[int] = ..., options: _Optional[_Iterable[str]] = ...) -> None: ...

class MissingFieldsBody(_message.Message):
    __slots__ = ("action", "fields", "prefill")
    ACTION_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    PREFILL_FIELD_NUMBER: _ClassVar[int]
    action: _action_pb2.Action
    fields: _containers.RepeatedCompositeFieldContainer[FormField]
    prefill: _struct_pb2.Struct
    def __init__(self, action: _Optional[_Union[_action_pb2.Action, str]] = ..., fields: _Optional[_Iterable[_Union[FormField, _Mapping]]] = ..., prefill: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class FallbackBody(_message.Message):
    __slots__ = ("phone_key", "form_key")
    PHONE_KEY_FIELD_NUMBER: _ClassVar[int]
    FORM_KEY_FIELD_NUMBER: _ClassVar[int]
    phone_key: str
    form_key: str
    def __init__(self, phone_key: _Optional[str] = ..., form_key: _Optional[str] = ...) -> None: ...
