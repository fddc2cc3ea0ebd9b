from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorInfo(_message.Message):
    __slots__ = ("actor_died", "actor_unavailable", "error_message", "error_type")
    ACTOR_DIED_FIELD_NUMBER: _ClassVar[int]
    ACTOR_UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_TYPE_FIELD_NUMBER: _ClassVar[int]
    actor_died: ActorDeathCause
    actor_unavailable: ActorUnavailable
    error_message: str
    error_type: int
    def __init__(self, actor_died: _Optional[_Union[ActorDeathCause, _Mapping]] = ..., actor_unavailable: _Optional[_Union[ActorUnavailable, _Mapping]] = ..., error_message: _Optional[str] = ..., error_type: _Optional[int] = ...) -> None: ...

class ActorDeathCause(_message.Message):
    __slots__ = ("creation_failed", "died")
    CREATION_FAILED_FIELD_NUMBER: _ClassVar[int]
    DIED_FIELD_NUMBER: _ClassVar[int]
    creation_failed: TaskException
    died: ActorDied
    def __init__(self, creation_failed: _Optional[_Union[TaskException, _Mapping]] = ..., died: _Optional[_Union[ActorDied, _Mapping]] = ...) -> None: ...

class ActorDied(_message.Message):
    __slots__ = ("error_message", "owner_id", "pid", "name", "ray_namespace", "class_name", "actor_id", "never_started", "reason")
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    OWNER_ID_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    RAY_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    NEVER_STARTED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    error_message: str
    owner_id: bytes
    pid: int
    name: str
    ray_namespace: str
    class_name: str
    actor_id: bytes
    never_started: bool
    reason: int
    def __init__(self, error_message: _Optional[str] = ..., owner_id: _Optional[bytes] = ..., pid: _Optional[int] = ..., name: _Optional[str] = ..., ray_namespace: _Optional[str] = ..., class_name: _Optional[str] = ..., actor_id: _Optional[bytes] = ..., never_started: bool = ..., reason: _Optional[int] = ...) -> None: ...

class ActorUnavailable(_message.Message):
    __slots__ = ("actor_id",)
    ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    actor_id: bytes
    def __init__(self, actor_id: _Optional[bytes] = ...) -> None: ...

class TaskException(_message.Message):
    __slots__ = ("language", "serialized_exception", "formatted")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SERIALIZED_EXCEPTION_FIELD_NUMBER: _ClassVar[int]
    FORMATTED_FIELD_NUMBER: _ClassVar[int]
    language: int
    serialized_exception: bytes
    formatted: str
    def __init__(self, language: _Optional[int] = ..., serialized_exception: _Optional[bytes] = ..., formatted: _Optional[str] = ...) -> None: ...

class PythonObject(_message.Message):
    __slots__ = ("inband_data_size", "raw_buffers_size", "buffer")
    INBAND_DATA_SIZE_FIELD_NUMBER: _ClassVar[int]
    RAW_BUFFERS_SIZE_FIELD_NUMBER: _ClassVar[int]
    BUFFER_FIELD_NUMBER: _ClassVar[int]
    inband_data_size: int
    raw_buffers_size: int
    buffer: _containers.RepeatedCompositeFieldContainer[PythonBuffer]
    def __init__(self, inband_data_size: _Optional[int] = ..., raw_buffers_size: _Optional[int] = ..., buffer: _Optional[_Iterable[_Union[PythonBuffer, _Mapping]]] = ...) -> None: ...

class PythonBuffer(_message.Message):
    __slots__ = ("address", "length", "itemsize", "ndim", "readonly", "format", "shape", "strides")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    ITEMSIZE_FIELD_NUMBER: _ClassVar[int]
    NDIM_FIELD_NUMBER: _ClassVar[int]
    READONLY_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    STRIDES_FIELD_NUMBER: _ClassVar[int]
    address: int
    length: int
    itemsize: int
    ndim: int
    readonly: bool
    format: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    strides: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, address: _Optional[int] = ..., length: _Optional[int] = ..., itemsize: _Optional[int] = ..., ndim: _Optional[int] = ..., readonly: bool = ..., format: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., strides: _Optional[_Iterable[int]] = ...) -> None: ...
