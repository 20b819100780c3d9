from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Effect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EFFECT_UNSPECIFIED: _ClassVar[Effect]
    EFFECT_READ: _ClassVar[Effect]
    EFFECT_WRITE: _ClassVar[Effect]
    EFFECT_DESTRUCTIVE: _ClassVar[Effect]

class PermissionLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PERMISSION_LEVEL_UNSPECIFIED: _ClassVar[PermissionLevel]
    PERMISSION_LEVEL_UNRESTRICTED: _ClassVar[PermissionLevel]
    PERMISSION_LEVEL_SOFT_LIMIT: _ClassVar[PermissionLevel]
    PERMISSION_LEVEL_REQUIRES_AUTHORIZATION: _ClassVar[PermissionLevel]

class Pii(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PII_UNSPECIFIED: _ClassVar[Pii]
    PII_NAME: _ClassVar[Pii]
    PII_PHONE: _ClassVar[Pii]
    PII_EMAIL: _ClassVar[Pii]
    PII_ADDRESS: _ClassVar[Pii]
    PII_FREE_TEXT: _ClassVar[Pii]
    PII_SECRET: _ClassVar[Pii]

class Format(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FORMAT_UNSPECIFIED: _ClassVar[Format]
    FORMAT_MULTI_LINE: _ClassVar[Format]
    FORMAT_PHONE: _ClassVar[Format]
    FORMAT_EMAIL: _ClassVar[Format]
    FORMAT_US_STATE: _ClassVar[Format]
    FORMAT_US_ZIP: _ClassVar[Format]
    FORMAT_DATE: _ClassVar[Format]
    FORMAT_OPAQUE: _ClassVar[Format]
EFFECT_UNSPECIFIED: Effect
EFFECT_READ: Effect
EFFECT_WRITE: Effect
EFFECT_DESTRUCTIVE: Effect
PERMISSION_LEVEL_UNSPECIFIED: PermissionLevel
PERMISSION_LEVEL_UNRESTRICTED: PermissionLevel
PERMISSION_LEVEL_SOFT_LIMIT: PermissionLevel
PERMISSION_LEVEL_REQUIRES_AUTHORIZATION: PermissionLevel
PII_UNSPECIFIED: Pii
PII_NAME: Pii
PII_PHONE: Pii
PII_EMAIL: Pii
PII_ADDRESS: Pii
PII_FREE_TEXT: Pii
PII_SECRET: Pii
FORMAT_UNSPECIFIED: Format
FORMAT_MULTI_LINE: Format
FORMAT_PHONE: Format
FORMAT_EMAIL: Format
FORMAT_US_STATE: Format
FORMAT_US_ZIP: Format
FORMAT_DATE: Format
FORMAT_OPAQUE: Format
TOOL_SERVER_FIELD_NUMBER: _ClassVar[int]
tool_server: _descriptor.FieldDescriptor
TOOL_FIELD_NUMBER: _ClassVar[int]
tool: _descriptor.FieldDescriptor
ACTION_FIELD_NUMBER: _ClassVar[int]
action: _descriptor.FieldDescriptor
PII_FIELD_NUMBER: _ClassVar[int]
pii: _descriptor.FieldDescriptor
FORMAT_FIELD_NUMBER: _ClassVar[int]
format: _descriptor.FieldDescriptor
SERVICE_MAPPING_FIELD_NUMBER: _ClassVar[int]
service_mapping: _descriptor.FieldDescriptor
LABEL_FIELD_NUMBER: _ClassVar[int]
label: _descriptor.FieldDescriptor
NULLABLE_FIELD_NUMBER: _ClassVar[int]
nullable: _descriptor.FieldDescriptor

class ToolServerOptions(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ToolOptions(_message.Message):
    __slots__ = ("name", "title", "effect", "idempotent", "permission", "sensitive", "domain", "action")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENT_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    SENSITIVE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    effect: Effect
    idempotent: bool
    permission: PermissionLevel
    sensitive: bool
    domain: str
    action: str
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., effect: _Optional[_Union[Effect, str]] = ..., idempotent: _Optional[bool] = ..., permission: _Optional[_Union[PermissionLevel, str]] = ..., sensitive: _Optional[bool] = ..., domain: _Optional[str] = ..., action: _Optional[str] = ...) -> None: ...

class ServiceMappingOptions(_message.Message):
    __slots__ = ("vendor_field", "service_id")
    VENDOR_FIELD_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    vendor_field: str
    service_id: bool
    def __init__(self, vendor_field: _Optional[str] = ..., service_id: _Optional[bool] = ...) -> None: ...

class ActionOptions(_message.Message):
    __slots__ = ("rpc", "title")
    RPC_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    rpc: str
    title: str
    def __init__(self, rpc: _Optional[str] = ..., title: _Optional[str] = ...) -> None: ...
