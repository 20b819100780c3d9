from buf.validate import validate_pb2 as _validate_pb2
from switchboard.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TimeWindow(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TIME_WINDOW_UNSPECIFIED: _ClassVar[TimeWindow]
    AM: _ClassVar[TimeWindow]
    PM: _ClassVar[TimeWindow]
    EVENING: _ClassVar[TimeWindow]
TIME_WINDOW_UNSPECIFIED: TimeWindow
AM: TimeWindow
PM: TimeWindow
EVENING: TimeWindow

class Customer(_message.Message):
    __slots__ = ("first_name", "last_name", "phone", "email")
    FIRST_NAME_FIELD_NUMBER: _ClassVar[int]
    LAST_NAME_FIELD_NUMBER: _ClassVar[int]
    PHONE_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    first_name: str
    last_name: str
    phone: str
    email: str
    def __init__(self, first_name: _Optional[str] = ..., last_name: _Optional[str] = ..., phone: _Optional[str] = ..., email: _Optional[str] = ...) -> None: ...

class Address(_message.Message):
    __slots__ = ("line1", "line2", "city", "state", "zip")
    LINE1_FIELD_NUMBER: _ClassVar[int]
    LINE2_FIELD_NUMBER: _ClassVar[int]
    CITY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ZIP_FIELD_NUMBER: _ClassVar[int]
    line1: str
    line2: str
    city: str
    state: str
    zip: str
    def __init__(self, line1: _Optional[str] = ..., line2: _Optional[str] = ..., city: _Optional[str] = ..., state: _Optional[str] = ..., zip: _Optional[str] = ...) -> None: ...

class PreferredTimes(_message.Message):
    __slots__ = ("date1", "date2", "time_window")
    DATE1_FIELD_NUMBER: _ClassVar[int]
    DATE2_FIELD_NUMBER: _ClassVar[int]
    TIME_WINDOW_FIELD_NUMBER: _ClassVar[int]
    date1: str
    date2: str
    time_window: TimeWindow
    def __init__(self, date1: _Optional[str] = ..., date2: _Optional[str] = ..., time_window: _Optional[_Union[TimeWindow, str]] = ...) -> None: ...

class Marketing(_message.Message):
    __slots__ = ("source", "campaign")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    source: str
    campaign: str
    def __init__(self, source: _Optional[str] = ..., campaign: _Optional[str] = ...) -> None: ...
