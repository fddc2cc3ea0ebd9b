from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_DRIVER: _ClassVar[Role]
    ROLE_WORKER: _ClassVar[Role]

class LaneKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LANE_UNSPECIFIED: _ClassVar[LaneKind]
    LANE_CALLS: _ClassVar[LaneKind]
    LANE_EXECUTOR: _ClassVar[LaneKind]
    LANE_NOTICES: _ClassVar[LaneKind]

class TaskType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NORMAL_TASK: _ClassVar[TaskType]
    ACTOR_CREATION_TASK: _ClassVar[TaskType]
    ACTOR_TASK: _ClassVar[TaskType]

class ErrorKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_NONE: _ClassVar[ErrorKind]
    ERROR_VALUE: _ClassVar[ErrorKind]
    ERROR_STORE_FULL: _ClassVar[ErrorKind]
    ERROR_OUT_OF_DISK: _ClassVar[ErrorKind]
    ERROR_NOT_FOUND: _ClassVar[ErrorKind]
    ERROR_NAME_TAKEN: _ClassVar[ErrorKind]
    ERROR_CANCELED: _ClassVar[ErrorKind]
    ERROR_INTERNAL: _ClassVar[ErrorKind]

class ClusterTable(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLUSTER_TASKS: _ClassVar[ClusterTable]
    CLUSTER_ACTORS: _ClassVar[ClusterTable]
    CLUSTER_NODES: _ClassVar[ClusterTable]
    CLUSTER_GROUPS: _ClassVar[ClusterTable]
    CLUSTER_JOBS: _ClassVar[ClusterTable]
    CLUSTER_WORKERS: _ClassVar[ClusterTable]

class PlacementStrategy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PACK: _ClassVar[PlacementStrategy]
    SPREAD: _ClassVar[PlacementStrategy]
    STRICT_PACK: _ClassVar[PlacementStrategy]
    STRICT_SPREAD: _ClassVar[PlacementStrategy]

class GroupState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GROUP_PENDING: _ClassVar[GroupState]
    GROUP_CREATED: _ClassVar[GroupState]
    GROUP_REMOVED: _ClassVar[GroupState]
    GROUP_RESCHEDULING: _ClassVar[GroupState]
    GROUP_PREPARED: _ClassVar[GroupState]

class TaskEnd(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_END_FINISHED: _ClassVar[TaskEnd]
    TASK_END_FAILED: _ClassVar[TaskEnd]
    TASK_END_CANCELED: _ClassVar[TaskEnd]
    TASK_END_WORKER_DIED: _ClassVar[TaskEnd]
    TASK_END_ACTOR_EXITED: _ClassVar[TaskEnd]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_OK: _ClassVar[Outcome]
    OUTCOME_ERROR: _ClassVar[Outcome]
    OUTCOME_CANCELED: _ClassVar[Outcome]
    OUTCOME_EXIT_ACTOR: _ClassVar[Outcome]

class StateKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATE_SESSION: _ClassVar[StateKind]
    STATE_TASKS: _ClassVar[StateKind]
    STATE_ACTORS: _ClassVar[StateKind]
    STATE_OBJECTS: _ClassVar[StateKind]
    STATE_WORKERS: _ClassVar[StateKind]
    STATE_GROUPS: _ClassVar[StateKind]

class TaskStage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_STAGE_FOR_ARGUMENTS: _ClassVar[TaskStage]
    TASK_STAGE_FOR_WORKER: _ClassVar[TaskStage]
    TASK_STAGE_FOR_ACTOR: _ClassVar[TaskStage]
    TASK_STAGE_AT_WORKER: _ClassVar[TaskStage]
    TASK_STAGE_RUNNING: _ClassVar[TaskStage]
    TASK_STAGE_BLOCKED: _ClassVar[TaskStage]
ROLE_UNSPECIFIED: Role
ROLE_DRIVER: Role
ROLE_WORKER: Role
LANE_UNSPECIFIED: LaneKind
LANE_CALLS: LaneKind
LANE_EXECUTOR: LaneKind
LANE_NOTICES: LaneKind
NORMAL_TASK: TaskType
ACTOR_CREATION_TASK: TaskType
ACTOR_TASK: TaskType
ERROR_NONE: ErrorKind
ERROR_VALUE: ErrorKind
ERROR_STORE_FULL: ErrorKind
ERROR_OUT_OF_DISK: ErrorKind
ERROR_NOT_FOUND: ErrorKind
ERROR_NAME_TAKEN: ErrorKind
ERROR_CANCELED: ErrorKind
ERROR_INTERNAL: ErrorKind
CLUSTER_TASKS: ClusterTable
CLUSTER_ACTORS: ClusterTable
CLUSTER_NODES: ClusterTable
CLUSTER_GROUPS: ClusterTable
CLUSTER_JOBS: ClusterTable
CLUSTER_WORKERS: ClusterTable
PACK: PlacementStrategy
SPREAD: PlacementStrategy
STRICT_PACK: PlacementStrategy
STRICT_SPREAD: PlacementStrategy
GROUP_PENDING: GroupState
GROUP_CREATED: GroupState
GROUP_REMOVED: GroupState
GROUP_RESCHEDULING: GroupState
GROUP_PREPARED: GroupState
TASK_END_FINISHED: TaskEnd
TASK_END_FAILED: TaskEnd
TASK_END_CANCELED: TaskEnd
TASK_END_WORKER_DIED: TaskEnd
TASK_END_ACTOR_EXITED: TaskEnd
OUTCOME_OK: Outcome
OUTCOME_ERROR: Outcome
OUTCOME_CANCELED: Outcome
OUTCOME_EXIT_ACTOR: Outcome
STATE_SESSION: StateKind
STATE_TASKS: StateKind
STATE_ACTORS: StateKind
STATE_OBJECTS: StateKind
STATE_WORKERS: StateKind
STATE_GROUPS: StateKind
TASK_STAGE_FOR_ARGUMENTS: TaskStage
TASK_STAGE_FOR_WORKER: TaskStage
TASK_STAGE_FOR_ACTOR: TaskStage
TASK_STAGE_AT_WORKER: TaskStage
TASK_STAGE_RUNNING: TaskStage
TASK_STAGE_BLOCKED: TaskStage

class FromShim(_message.Message):
    __slots__ = ("attach", "first_mutation", "mutations", "after", "request", "dropped", "ahead")
    ATTACH_FIELD_NUMBER: _ClassVar[int]
    FIRST_MUTATION_FIELD_NUMBER: _ClassVar[int]
    MUTATIONS_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    AHEAD_FIELD_NUMBER: _ClassVar[int]
    attach: Attach
    first_mutation: int
    mutations: _containers.RepeatedCompositeFieldContainer[Mutation]
    after: int
    request: Request
    dropped: RunDropped
    ahead: bool
    def __init__(self, attach: _Optional[_Union[Attach, _Mapping]] = ..., first_mutation: _Optional[int] = ..., mutations: _Optional[_Iterable[_Union[Mutation, _Mapping]]] = ..., after: _Optional[int] = ..., request: _Optional[_Union[Request, _Mapping]] = ..., dropped: _Optional[_Union[RunDropped, _Mapping]] = ..., ahead: bool = ...) -> None: ...

class ToShim(_message.Message):
    __slots__ = ("attached", "applied", "reply", "run", "cancel", "open_lane", "exit", "logs", "ahead")
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    OPEN_LANE_FIELD_NUMBER: _ClassVar[int]
    EXIT_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    AHEAD_FIELD_NUMBER: _ClassVar[int]
    attached: Attached
    applied: int
    reply: Reply
    run: _containers.RepeatedCompositeFieldContainer[RunTask]
    cancel: _containers.RepeatedCompositeFieldContainer[CancelRun]
    open_lane: OpenLane
    exit: Exit
    logs: _containers.RepeatedCompositeFieldContainer[LogLine]
    ahead: Ahead
    def __init__(self, attached: _Optional[_Union[Attached, _Mapping]] = ..., applied: _Optional[int] = ..., reply: _Optional[_Union[Reply, _Mapping]] = ..., run: _Optional[_Iterable[_Union[RunTask, _Mapping]]] = ..., cancel: _Optional[_Iterable[_Union[CancelRun, _Mapping]]] = ..., open_lane: _Optional[_Union[OpenLane, _Mapping]] = ..., exit: _Optional[_Union[Exit, _Mapping]] = ..., logs: _Optional[_Iterable[_Union[LogLine, _Mapping]]] = ..., ahead: _Optional[_Union[Ahead, _Mapping]] = ...) -> None: ...

class Ahead(_message.Message):
    __slots__ = ("object_id", "value")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    object_id: bytes
    value: Value
    def __init__(self, object_id: _Optional[bytes] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...

class Attach(_message.Message):
    __slots__ = ("protocol", "role", "worker_id", "kind", "pid", "concurrency_group", "event_loop", "opening", "version", "lane")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    CONCURRENCY_GROUP_FIELD_NUMBER: _ClassVar[int]
    EVENT_LOOP_FIELD_NUMBER: _ClassVar[int]
    OPENING_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LANE_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    role: Role
    worker_id: bytes
    kind: LaneKind
    pid: int
    concurrency_group: str
    event_loop: bool
    opening: int
    version: str
    lane: int
    def __init__(self, protocol: _Optional[int] = ..., role: _Optional[_Union[Role, str]] = ..., worker_id: _Optional[bytes] = ..., kind: _Optional[_Union[LaneKind, str]] = ..., pid: _Optional[int] = ..., concurrency_group: _Optional[str] = ..., event_loop: bool = ..., opening: _Optional[int] = ..., version: _Optional[str] = ..., lane: _Optional[int] = ...) -> None: ...

class Attached(_message.Message):
    __slots__ = ("applied", "slot", "job_id", "node_id", "namespace")
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    applied: int
    slot: int
    job_id: bytes
    node_id: bytes
    namespace: str
    def __init__(self, applied: _Optional[int] = ..., slot: _Optional[int] = ..., job_id: _Optional[bytes] = ..., node_id: _Optional[bytes] = ..., namespace: _Optional[str] = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ("data", "metadata", "block", "contained")
    DATA_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    CONTAINED_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    metadata: bytes
    block: Block
    contained: bytes
    def __init__(self, data: _Optional[bytes] = ..., metadata: _Optional[bytes] = ..., block: _Optional[_Union[Block, _Mapping]] = ..., contained: _Optional[bytes] = ...) -> None: ...

class Block(_message.Message):
    __slots__ = ("id", "offset", "size")
    ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    id: int
    offset: int
    size: int
    def __init__(self, id: _Optional[int] = ..., offset: _Optional[int] = ..., size: _Optional[int] = ...) -> None: ...

class Arg(_message.Message):
    __slots__ = ("value", "ref", "keyword", "has_keyword")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    KEYWORD_FIELD_NUMBER: _ClassVar[int]
    HAS_KEYWORD_FIELD_NUMBER: _ClassVar[int]
    value: Value
    ref: bytes
    keyword: str
    has_keyword: bool
    def __init__(self, value: _Optional[_Union[Value, _Mapping]] = ..., ref: _Optional[bytes] = ..., keyword: _Optional[str] = ..., has_keyword: bool = ...) -> None: ...

class Mutation(_message.Message):
    __slots__ = ("submit", "put", "refs", "unpin", "cancel", "export", "kill_actor", "actor_handles", "meet_actor", "done", "discard", "item", "consumed", "await_group", "give_up", "drop_streams")
    SUBMIT_FIELD_NUMBER: _ClassVar[int]
    PUT_FIELD_NUMBER: _ClassVar[int]
    REFS_FIELD_NUMBER: _ClassVar[int]
    UNPIN_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    EXPORT_FIELD_NUMBER: _ClassVar[int]
    KILL_ACTOR_FIELD_NUMBER: _ClassVar[int]
    ACTOR_HANDLES_FIELD_NUMBER: _ClassVar[int]
    MEET_ACTOR_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    DISCARD_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    CONSUMED_FIELD_NUMBER: _ClassVar[int]
    AWAIT_GROUP_FIELD_NUMBER: _ClassVar[int]
    GIVE_UP_FIELD_NUMBER: _ClassVar[int]
    DROP_STREAMS_FIELD_NUMBER: _ClassVar[int]
    submit: TaskSpec
    put: Put
    refs: Refs
    unpin: bytes
    cancel: Cancel
    export: Export
    kill_actor: KillActor
    actor_handles: ActorHandles
    meet_actor: MeetActor
    done: TaskDone
    discard: bytes
    item: GeneratorItem
    consumed: StreamConsumed
    await_group: AwaitGroup
    give_up: GiveUp
    drop_streams: bytes
    def __init__(self, submit: _Optional[_Union[TaskSpec, _Mapping]] = ..., put: _Optional[_Union[Put, _Mapping]] = ..., refs: _Optional[_Union[Refs, _Mapping]] = ..., unpin: _Optional[bytes] = ..., cancel: _Optional[_Union[Cancel, _Mapping]] = ..., export: _Optional[_Union[Export, _Mapping]] = ..., kill_actor: _Optional[_Union[KillActor, _Mapping]] = ..., actor_handles: _Optional[_Union[ActorHandles, _Mapping]] = ..., meet_actor: _Optional[_Union[MeetActor, _Mapping]] = ..., done: _Optional[_Union[TaskDone, _Mapping]] = ..., discard: _Optional[bytes] = ..., item: _Optional[_Union[GeneratorItem, _Mapping]] = ..., consumed: _Optional[_Union[StreamConsumed, _Mapping]] = ..., await_group: _Optional[_Union[AwaitGroup, _Mapping]] = ..., give_up: _Optional[_Union[GiveUp, _Mapping]] = ..., drop_streams: _Optional[bytes] = ...) -> None: ...

class Put(_message.Message):
    __slots__ = ("object_id", "value")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    object_id: bytes
    value: Value
    def __init__(self, object_id: _Optional[bytes] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...

class GeneratorItem(_message.Message):
    __slots__ = ("task_id", "index", "value")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    task_id: bytes
    index: int
    value: Value
    def __init__(self, task_id: _Optional[bytes] = ..., index: _Optional[int] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...

class StreamConsumed(_message.Message):
    __slots__ = ("object_id", "taken")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    object_id: bytes
    taken: int
    def __init__(self, object_id: _Optional[bytes] = ..., taken: _Optional[int] = ...) -> None: ...

class Refs(_message.Message):
    __slots__ = ("added", "dropped", "unsure")
    ADDED_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    UNSURE_FIELD_NUMBER: _ClassVar[int]
    added: bytes
    dropped: bytes
    unsure: bytes
    def __init__(self, added: _Optional[bytes] = ..., dropped: _Optional[bytes] = ..., unsure: _Optional[bytes] = ...) -> None: ...

class AwaitGroup(_message.Message):
    __slots__ = ("group_id", "object_id", "value")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    group_id: bytes
    object_id: bytes
    value: Value
    def __init__(self, group_id: _Optional[bytes] = ..., object_id: _Optional[bytes] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...

class ActorHandles(_message.Message):
    __slots__ = ("added", "dropped", "unsure")
    ADDED_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    UNSURE_FIELD_NUMBER: _ClassVar[int]
    added: bytes
    dropped: bytes
    unsure: bytes
    def __init__(self, added: _Optional[bytes] = ..., dropped: _Optional[bytes] = ..., unsure: _Optional[bytes] = ...) -> None: ...

class MeetActor(_message.Message):
    __slots__ = ("actor_id", "module", "class_name", "function_hash", "out_of_order")
    ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    MODULE_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_HASH_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_ORDER_FIELD_NUMBER: _ClassVar[int]
    actor_id: bytes
    module: str
    class_name: str
    function_hash: str
    out_of_order: bool
    def __init__(self, actor_id: _Optional[bytes] = ..., module: _Optional[str] = ..., class_name: _Optional[str] = ..., function_hash: _Optional[str] = ..., out_of_order: bool = ...) -> None: ...

class GiveUp(_message.Message):
    __slots__ = ("lane", "request")
    LANE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    lane: int
    request: int
    def __init__(self, lane: _Optional[int] = ..., request: _Optional[int] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ("object_id", "force", "recursive")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    RECURSIVE_FIELD_NUMBER: _ClassVar[int]
    object_id: bytes
    force: bool
    recursive: bool
    def __init__(self, object_id: _Optional[bytes] = ..., force: bool = ..., recursive: bool = ...) -> None: ...

class Export(_message.Message):
    __slots__ = ("namespace", "key", "value", "module", "class_name", "function_name", "function_hash")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    MODULE_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_NAME_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_HASH_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    key: bytes
    value: bytes
    module: str
    class_name: str
    function_name: str
    function_hash: str
    def __init__(self, namespace: _Optional[str] = ..., key: _Optional[bytes] = ..., value: _Optional[bytes] = ..., module: _Optional[str] = ..., class_name: _Optional[str] = ..., function_name: _Optional[str] = ..., function_hash: _Optional[str] = ...) -> None: ...

class KillActor(_message.Message):
    __slots__ = ("actor_id", "no_restart")
    ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    NO_RESTART_FIELD_NUMBER: _ClassVar[int]
    actor_id: bytes
    no_restart: bool
    def __init__(self, actor_id: _Optional[bytes] = ..., no_restart: bool = ...) -> None: ...

class Resource(_message.Message):
    __slots__ = ("name", "amount")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    amount: float
    def __init__(self, name: _Optional[str] = ..., amount: _Optional[float] = ...) -> None: ...

class TaskSpec(_message.Message):
    __slots__ = ("type", "task_id", "parent_task_id", "name", "function_id", "method", "args", "num_returns", "resources", "max_retries", "retry_exceptions", "retry_allowlist", "actor_id", "concurrency_group", "actor", "depth", "runtime_env", "per_yield", "code_name", "no_events", "placement", "labels", "node", "node_soft", "spread", "max_calls", "streaming", "dynamic", "backpressure", "actor_backpressure", "told")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_TASK_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_ID_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    NUM_RETURNS_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    MAX_RETRIES_FIELD_NUMBER: _ClassVar[int]
    RETRY_EXCEPTIONS_FIELD_NUMBER: _ClassVar[int]
    RETRY_ALLOWLIST_FIELD_NUMBER: _ClassVar[int]
    ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    CONCURRENCY_GROUP_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_ENV_FIELD_NUMBER: _ClassVar[int]
    PER_YIELD_FIELD_NUMBER: _ClassVar[int]
    CODE_NAME_FIELD_NUMBER: _ClassVar[int]
    NO_EVENTS_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    NODE_SOFT_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    MAX_CALLS_FIELD_NUMBER: _ClassVar[int]
    STREAMING_FIELD_NUMBER: _ClassVar[int]
    DYNAMIC_FIELD_NUMBER: _ClassVar[int]
    BACKPRESSURE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_BACKPRESSURE_FIELD_NUMBER: _ClassVar[int]
    TOLD_FIELD_NUMBER: _ClassVar[int]
    type: TaskType
    task_id: bytes
    parent_task_id: bytes
    name: str
    function_id: bytes
    method: str
    args: _containers.RepeatedCompositeFieldContainer[Arg]
    num_returns: int
    resources: _containers.RepeatedCompositeFieldContainer[Resource]
    max_retries: int
    retry_exceptions: bool
    retry_allowlist: bytes
    actor_id: bytes
    concurrency_group: str
    actor: ActorCreation
    depth: int
    runtime_env: bytes
    per_yield: int
    code_name: str
    no_events: bool
    placement: Placement
    labels: _containers.RepeatedCompositeFieldContainer[LabelSelector]
    node: bytes
    node_soft: bool
    spread: bool
    max_calls: int
    streaming: bool
    dynamic: bool
    backpressure: int
    actor_backpressure: int
    told: bool
    def __init__(self, type: _Optional[_Union[TaskType, str]] = ..., task_id: _Optional[bytes] = ..., parent_task_id: _Optional[bytes] = ..., name: _Optional[str] = ..., function_id: _Optional[bytes] = ..., method: _Optional[str] = ..., args: _Optional[_Iterable[_Union[Arg, _Mapping]]] = ..., num_returns: _Optional[int] = ..., resources: _Optional[_Iterable[_Union[Resource, _Mapping]]] = ..., max_retries: _Optional[int] = ..., retry_exceptions: bool = ..., retry_allowlist: _Optional[bytes] = ..., actor_id: _Optional[bytes] = ..., concurrency_group: _Optional[str] = ..., actor: _Optional[_Union[ActorCreation, _Mapping]] = ..., depth: _Optional[int] = ..., runtime_env: _Optional[bytes] = ..., per_yield: _Optional[int] = ..., code_name: _Optional[str] = ..., no_events: bool = ..., placement: _Optional[_Union[Placement, _Mapping]] = ..., labels: _Optional[_Iterable[_Union[LabelSelector, _Mapping]]] = ..., node: _Optional[bytes] = ..., node_soft: bool = ..., spread: bool = ..., max_calls: _Optional[int] = ..., streaming: bool = ..., dynamic: bool = ..., backpressure: _Optional[int] = ..., actor_backpressure: _Optional[int] = ..., told: bool = ...) -> None: ...

class Placement(_message.Message):
    __slots__ = ("group_id", "bundle", "capture")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_FIELD_NUMBER: _ClassVar[int]
    group_id: bytes
    bundle: int
    capture: bool
    def __init__(self, group_id: _Optional[bytes] = ..., bundle: _Optional[int] = ..., capture: bool = ...) -> None: ...

class LabelSelector(_message.Message):
    __slots__ = ("matches",)
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    matches: _containers.RepeatedCompositeFieldContainer[LabelMatch]
    def __init__(self, matches: _Optional[_Iterable[_Union[LabelMatch, _Mapping]]] = ...) -> None: ...

class LabelMatch(_message.Message):
    __slots__ = ("key", "values")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    NOT_FIELD_NUMBER: _ClassVar[int]
    key: str
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, key: _Optional[str] = ..., values: _Optional[_Iterable[str]] = ..., **kwargs) -> None: ...

class ConcurrencyGroup(_message.Message):
    __slots__ = ("name", "max_concurrency")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    name: str
    max_concurrency: int
    def __init__(self, name: _Optional[str] = ..., max_concurrency: _Optional[int] = ...) -> None: ...

class ActorCreation(_message.Message):
    __slots__ = ("max_restarts", "max_concurrency", "is_asyncio", "groups", "name", "namespace", "detached", "max_pending_calls", "handle", "class_name", "placement_resources", "out_of_order")
    MAX_RESTARTS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    IS_ASYNCIO_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DETACHED_FIELD_NUMBER: _ClassVar[int]
    MAX_PENDING_CALLS_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_RESOURCES_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_ORDER_FIELD_NUMBER: _ClassVar[int]
    max_restarts: int
    max_concurrency: int
    is_asyncio: bool
    groups: _containers.RepeatedCompositeFieldContainer[ConcurrencyGroup]
    name: str
    namespace: str
    detached: bool
    max_pending_calls: int
    handle: bytes
    class_name: str
    placement_resources: _containers.RepeatedCompositeFieldContainer[Resource]
    out_of_order: bool
    def __init__(self, max_restarts: _Optional[int] = ..., max_concurrency: _Optional[int] = ..., is_asyncio: bool = ..., groups: _Optional[_Iterable[_Union[ConcurrencyGroup, _Mapping]]] = ..., name: _Optional[str] = ..., namespace: _Optional[str] = ..., detached: bool = ..., max_pending_calls: _Optional[int] = ..., handle: _Optional[bytes] = ..., class_name: _Optional[str] = ..., placement_resources: _Optional[_Iterable[_Union[Resource, _Mapping]]] = ..., out_of_order: bool = ...) -> None: ...

class Request(_message.Message):
    __slots__ = ("id", "get", "wait", "allocate", "register_actor", "lookup_actor", "kv_get", "cluster_info", "abandon", "list_named_actors", "sync", "next_items", "demand", "task_events", "create_group", "remove_group", "find_groups", "cluster_rows")
    ID_FIELD_NUMBER: _ClassVar[int]
    GET_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    ALLOCATE_FIELD_NUMBER: _ClassVar[int]
    REGISTER_ACTOR_FIELD_NUMBER: _ClassVar[int]
    LOOKUP_ACTOR_FIELD_NUMBER: _ClassVar[int]
    KV_GET_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_INFO_FIELD_NUMBER: _ClassVar[int]
    ABANDON_FIELD_NUMBER: _ClassVar[int]
    LIST_NAMED_ACTORS_FIELD_NUMBER: _ClassVar[int]
    SYNC_FIELD_NUMBER: _ClassVar[int]
    NEXT_ITEMS_FIELD_NUMBER: _ClassVar[int]
    DEMAND_FIELD_NUMBER: _ClassVar[int]
    TASK_EVENTS_FIELD_NUMBER: _ClassVar[int]
    CREATE_GROUP_FIELD_NUMBER: _ClassVar[int]
    REMOVE_GROUP_FIELD_NUMBER: _ClassVar[int]
    FIND_GROUPS_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ROWS_FIELD_NUMBER: _ClassVar[int]
    id: int
    get: Get
    wait: Wait
    allocate: Allocate
    register_actor: RegisterActor
    lookup_actor: LookupActor
    kv_get: KvGet
    cluster_info: ClusterInfo
    abandon: Abandon
    list_named_actors: ListNamedActors
    sync: Sync
    next_items: NextItems
    demand: Demand
    task_events: TaskEvents
    create_group: CreateGroup
    remove_group: RemoveGroup
    find_groups: FindGroups
    cluster_rows: ClusterRows
    def __init__(self, id: _Optional[int] = ..., get: _Optional[_Union[Get, _Mapping]] = ..., wait: _Optional[_Union[Wait, _Mapping]] = ..., allocate: _Optional[_Union[Allocate, _Mapping]] = ..., register_actor: _Optional[_Union[RegisterActor, _Mapping]] = ..., lookup_actor: _Optional[_Union[LookupActor, _Mapping]] = ..., kv_get: _Optional[_Union[KvGet, _Mapping]] = ..., cluster_info: _Optional[_Union[ClusterInfo, _Mapping]] = ..., abandon: _Optional[_Union[Abandon, _Mapping]] = ..., list_named_actors: _Optional[_Union[ListNamedActors, _Mapping]] = ..., sync: _Optional[_Union[Sync, _Mapping]] = ..., next_items: _Optional[_Union[NextItems, _Mapping]] = ..., demand: _Optional[_Union[Demand, _Mapping]] = ..., task_events: _Optional[_Union[TaskEvents, _Mapping]] = ..., create_group: _Optional[_Union[CreateGroup, _Mapping]] = ..., remove_group: _Optional[_Union[RemoveGroup, _Mapping]] = ..., find_groups: _Optional[_Union[FindGroups, _Mapping]] = ..., cluster_rows: _Optional[_Union[ClusterRows, _Mapping]] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("id", "error", "error_kind", "get", "wait", "allocate", "actor", "kv", "cluster_info", "named_actors", "items", "task_events", "groups", "cluster_rows")
    ID_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_KIND_FIELD_NUMBER: _ClassVar[int]
    GET_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    ALLOCATE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    KV_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_INFO_FIELD_NUMBER: _ClassVar[int]
    NAMED_ACTORS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    TASK_EVENTS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ROWS_FIELD_NUMBER: _ClassVar[int]
    id: int
    error: str
    error_kind: ErrorKind
    get: GetReply
    wait: WaitReply
    allocate: Block
    actor: ActorInfo
    kv: KvValue
    cluster_info: ClusterInfoReply
    named_actors: NamedActors
    items: ItemsReply
    task_events: TaskEventsReply
    groups: Groups
    cluster_rows: ClusterRowsReply
    def __init__(self, id: _Optional[int] = ..., error: _Optional[str] = ..., error_kind: _Optional[_Union[ErrorKind, str]] = ..., get: _Optional[_Union[GetReply, _Mapping]] = ..., wait: _Optional[_Union[WaitReply, _Mapping]] = ..., allocate: _Optional[_Union[Block, _Mapping]] = ..., actor: _Optional[_Union[ActorInfo, _Mapping]] = ..., kv: _Optional[_Union[KvValue, _Mapping]] = ..., cluster_info: _Optional[_Union[ClusterInfoReply, _Mapping]] = ..., named_actors: _Optional[_Union[NamedActors, _Mapping]] = ..., items: _Optional[_Union[ItemsReply, _Mapping]] = ..., task_events: _Optional[_Union[TaskEventsReply, _Mapping]] = ..., groups: _Optional[_Union[Groups, _Mapping]] = ..., cluster_rows: _Optional[_Union[ClusterRowsReply, _Mapping]] = ...) -> None: ...

class Get(_message.Message):
    __slots__ = ("object_ids", "timeout_ms", "task_id", "told")
    OBJECT_IDS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    TOLD_FIELD_NUMBER: _ClassVar[int]
    object_ids: bytes
    timeout_ms: int
    task_id: bytes
    told: bool
    def __init__(self, object_ids: _Optional[bytes] = ..., timeout_ms: _Optional[int] = ..., task_id: _Optional[bytes] = ..., told: bool = ...) -> None: ...

class GetReply(_message.Message):
    __slots__ = ("values", "timed_out", "failed", "failed_index")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    FAILED_INDEX_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedCompositeFieldContainer[Value]
    timed_out: bool
    failed: bool
    failed_index: int
    def __init__(self, values: _Optional[_Iterable[_Union[Value, _Mapping]]] = ..., timed_out: bool = ..., failed: bool = ..., failed_index: _Optional[int] = ...) -> None: ...

class Wait(_message.Message):
    __slots__ = ("object_ids", "num_returns", "timeout_ms", "task_id", "told")
    OBJECT_IDS_FIELD_NUMBER: _ClassVar[int]
    NUM_RETURNS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    TOLD_FIELD_NUMBER: _ClassVar[int]
    object_ids: bytes
    num_returns: int
    timeout_ms: int
    task_id: bytes
    told: bool
    def __init__(self, object_ids: _Optional[bytes] = ..., num_returns: _Optional[int] = ..., timeout_ms: _Optional[int] = ..., task_id: _Optional[bytes] = ..., told: bool = ...) -> None: ...

class WaitReply(_message.Message):
    __slots__ = ("ready",)
    READY_FIELD_NUMBER: _ClassVar[int]
    ready: bytes
    def __init__(self, ready: _Optional[bytes] = ...) -> None: ...

class NextItems(_message.Message):
    __slots__ = ("object_id", "timeout_ms", "task_id", "most", "told")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    TOLD_FIELD_NUMBER: _ClassVar[int]
    object_id: bytes
    timeout_ms: int
    task_id: bytes
    most: int
    told: bool
    def __init__(self, object_id: _Optional[bytes] = ..., timeout_ms: _Optional[int] = ..., task_id: _Optional[bytes] = ..., most: _Optional[int] = ..., told: bool = ...) -> None: ...

class ItemsReply(_message.Message):
    __slots__ = ("values", "timed_out", "ended", "failed")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedCompositeFieldContainer[Value]
    timed_out: bool
    ended: bool
    failed: bool
    def __init__(self, values: _Optional[_Iterable[_Union[Value, _Mapping]]] = ..., timed_out: bool = ..., ended: bool = ..., failed: bool = ...) -> None: ...

class Demand(_message.Message):
    __slots__ = ("object_id", "produced", "task_id")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCED_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    object_id: bytes
    produced: int
    task_id: bytes
    def __init__(self, object_id: _Optional[bytes] = ..., produced: _Optional[int] = ..., task_id: _Optional[bytes] = ...) -> None: ...

class Allocate(_message.Message):
    __slots__ = ("size",)
    SIZE_FIELD_NUMBER: _ClassVar[int]
    size: int
    def __init__(self, size: _Optional[int] = ...) -> None: ...

class RegisterActor(_message.Message):
    __slots__ = ("spec", "get_if_exists")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    GET_IF_EXISTS_FIELD_NUMBER: _ClassVar[int]
    spec: TaskSpec
    get_if_exists: bool
    def __init__(self, spec: _Optional[_Union[TaskSpec, _Mapping]] = ..., get_if_exists: bool = ...) -> None: ...

class LookupActor(_message.Message):
    __slots__ = ("name", "namespace")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    name: str
    namespace: str
    def __init__(self, name: _Optional[str] = ..., namespace: _Optional[str] = ...) -> None: ...

class ActorInfo(_message.Message):
    __slots__ = ("actor_id", "handle", "created")
    ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    actor_id: bytes
    handle: bytes
    created: bool
    def __init__(self, actor_id: _Optional[bytes] = ..., handle: _Optional[bytes] = ..., created: bool = ...) -> None: ...

class ListNamedActors(_message.Message):
    __slots__ = ("all_namespaces", "namespace")
    ALL_NAMESPACES_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    all_namespaces: bool
    namespace: str
    def __init__(self, all_namespaces: bool = ..., namespace: _Optional[str] = ...) -> None: ...

class NamedActors(_message.Message):
    __slots__ = ("names", "namespaces")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    NAMESPACES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    namespaces: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ..., namespaces: _Optional[_Iterable[str]] = ...) -> None: ...

class ClusterRows(_message.Message):
    __slots__ = ("table", "most", "conditions")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    table: ClusterTable
    most: int
    conditions: _containers.RepeatedCompositeFieldContainer[Condition]
    def __init__(self, table: _Optional[_Union[ClusterTable, str]] = ..., most: _Optional[int] = ..., conditions: _Optional[_Iterable[_Union[Condition, _Mapping]]] = ...) -> None: ...

class Condition(_message.Message):
    __slots__ = ("field", "differs", "value")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    DIFFERS_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    field: str
    differs: bool
    value: str
    def __init__(self, field: _Optional[str] = ..., differs: bool = ..., value: _Optional[str] = ...) -> None: ...

class ClusterRowsReply(_message.Message):
    __slots__ = ("rows",)
    ROWS_FIELD_NUMBER: _ClassVar[int]
    rows: bytes
    def __init__(self, rows: _Optional[bytes] = ...) -> None: ...

class KvGet(_message.Message):
    __slots__ = ("namespace", "key")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    key: bytes
    def __init__(self, namespace: _Optional[str] = ..., key: _Optional[bytes] = ...) -> None: ...

class KvValue(_message.Message):
    __slots__ = ("found", "value")
    FOUND_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    found: bool
    value: bytes
    def __init__(self, found: bool = ..., value: _Optional[bytes] = ...) -> None: ...

class ClusterInfo(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ClusterInfoReply(_message.Message):
    __slots__ = ("total", "available", "object_store_bytes", "object_store_used", "groups_total", "groups_available", "labels", "node_name", "nodes")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_STORE_BYTES_FIELD_NUMBER: _ClassVar[int]
    OBJECT_STORE_USED_FIELD_NUMBER: _ClassVar[int]
    GROUPS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    GROUPS_AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    NODE_NAME_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    total: _containers.RepeatedCompositeFieldContainer[Resource]
    available: _containers.RepeatedCompositeFieldContainer[Resource]
    object_store_bytes: int
    object_store_used: int
    groups_total: _containers.RepeatedCompositeFieldContainer[Resource]
    groups_available: _containers.RepeatedCompositeFieldContainer[Resource]
    labels: _containers.ScalarMap[str, str]
    node_name: str
    nodes: _containers.RepeatedCompositeFieldContainer[ClusterNode]
    def __init__(self, total: _Optional[_Iterable[_Union[Resource, _Mapping]]] = ..., available: _Optional[_Iterable[_Union[Resource, _Mapping]]] = ..., object_store_bytes: _Optional[int] = ..., object_store_used: _Optional[int] = ..., groups_total: _Optional[_Iterable[_Union[Resource, _Mapping]]] = ..., groups_available: _Optional[_Iterable[_Union[Resource, _Mapping]]] = ..., labels: _Optional[_Mapping[str, str]] = ..., node_name: _Optional[str] = ..., nodes: _Optional[_Iterable[_Union[ClusterNode, _Mapping]]] = ...) -> None: ...

class ClusterNode(_message.Message):
    __slots__ = ("node_id", "alive", "address", "hostname", "name", "head", "total", "labels")
    class TotalEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    ALIVE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    node_id: bytes
    alive: bool
    address: str
    hostname: str
    name: str
    head: bool
    total: _containers.ScalarMap[str, float]
    labels: _containers.ScalarMap[str, str]
    def __init__(self, node_id: _Optional[bytes] = ..., alive: bool = ..., address: _Optional[str] = ..., hostname: _Optional[str] = ..., name: _Optional[str] = ..., head: bool = ..., total: _Optional[_Mapping[str, float]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class GroupBundle(_message.Message):
    __slots__ = ("resources", "labels", "label_texts", "node_id")
    class LabelTextsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    LABEL_TEXTS_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    resources: _containers.RepeatedCompositeFieldContainer[Resource]
    labels: LabelSelector
    label_texts: _containers.ScalarMap[str, str]
    node_id: bytes
    def __init__(self, resources: _Optional[_Iterable[_Union[Resource, _Mapping]]] = ..., labels: _Optional[_Union[LabelSelector, _Mapping]] = ..., label_texts: _Optional[_Mapping[str, str]] = ..., node_id: _Optional[bytes] = ...) -> None: ...

class CreateGroup(_message.Message):
    __slots__ = ("group_id", "name", "namespace", "strategy", "bundles", "detached", "domains", "target_node_id")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    BUNDLES_FIELD_NUMBER: _ClassVar[int]
    DETACHED_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    TARGET_NODE_ID_FIELD_NUMBER: _ClassVar[int]
    group_id: bytes
    name: str
    namespace: str
    strategy: PlacementStrategy
    bundles: _containers.RepeatedCompositeFieldContainer[GroupBundle]
    detached: bool
    domains: _containers.RepeatedScalarFieldContainer[str]
    target_node_id: bytes
    def __init__(self, group_id: _Optional[bytes] = ..., name: _Optional[str] = ..., namespace: _Optional[str] = ..., strategy: _Optional[_Union[PlacementStrategy, str]] = ..., bundles: _Optional[_Iterable[_Union[GroupBundle, _Mapping]]] = ..., detached: bool = ..., domains: _Optional[_Iterable[str]] = ..., target_node_id: _Optional[bytes] = ...) -> None: ...

class RemoveGroup(_message.Message):
    __slots__ = ("group_id",)
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    group_id: bytes
    def __init__(self, group_id: _Optional[bytes] = ...) -> None: ...

class FindGroups(_message.Message):
    __slots__ = ("group_id", "name", "namespace")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    group_id: bytes
    name: str
    namespace: str
    def __init__(self, group_id: _Optional[bytes] = ..., name: _Optional[str] = ..., namespace: _Optional[str] = ...) -> None: ...

class Groups(_message.Message):
    __slots__ = ("groups",)
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[GroupInfo]
    def __init__(self, groups: _Optional[_Iterable[_Union[GroupInfo, _Mapping]]] = ...) -> None: ...

class GroupInfo(_message.Message):
    __slots__ = ("group_id", "name", "strategy", "bundles", "state", "placed", "made_us", "attempts", "infeasible", "namespace", "detached", "scheduling", "latency_us", "retry_delay_ms")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    BUNDLES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PLACED_FIELD_NUMBER: _ClassVar[int]
    MADE_US_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    INFEASIBLE_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DETACHED_FIELD_NUMBER: _ClassVar[int]
    SCHEDULING_FIELD_NUMBER: _ClassVar[int]
    LATENCY_US_FIELD_NUMBER: _ClassVar[int]
    RETRY_DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    group_id: bytes
    name: str
    strategy: PlacementStrategy
    bundles: _containers.RepeatedCompositeFieldContainer[GroupBundle]
    state: GroupState
    placed: bool
    made_us: int
    attempts: int
    infeasible: bool
    namespace: str
    detached: bool
    scheduling: str
    latency_us: int
    retry_delay_ms: float
    def __init__(self, group_id: _Optional[bytes] = ..., name: _Optional[str] = ..., strategy: _Optional[_Union[PlacementStrategy, str]] = ..., bundles: _Optional[_Iterable[_Union[GroupBundle, _Mapping]]] = ..., state: _Optional[_Union[GroupState, str]] = ..., placed: bool = ..., made_us: _Optional[int] = ..., attempts: _Optional[int] = ..., infeasible: bool = ..., namespace: _Optional[str] = ..., detached: bool = ..., scheduling: _Optional[str] = ..., latency_us: _Optional[int] = ..., retry_delay_ms: _Optional[float] = ...) -> None: ...

class TaskEvents(_message.Message):
    __slots__ = ("gets",)
    FROM_FIELD_NUMBER: _ClassVar[int]
    GETS_FIELD_NUMBER: _ClassVar[int]
    gets: bool
    def __init__(self, gets: bool = ..., **kwargs) -> None: ...

class TaskEventsReply(_message.Message):
    __slots__ = ("events", "gets", "first", "next")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    GETS_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[TaskEvent]
    gets: _containers.RepeatedCompositeFieldContainer[TaskGet]
    first: int
    next: int
    def __init__(self, events: _Optional[_Iterable[_Union[TaskEvent, _Mapping]]] = ..., gets: _Optional[_Iterable[_Union[TaskGet, _Mapping]]] = ..., first: _Optional[int] = ..., next: _Optional[int] = ...) -> None: ...

class TaskEvent(_message.Message):
    __slots__ = ("task_id", "attempt", "type", "name", "method", "function_id", "actor_name", "worker_id", "pid", "started_ns", "ended_ns", "end", "error_text", "code_name", "caller_id", "parent_id", "called_ns")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_ID_FIELD_NUMBER: _ClassVar[int]
    ACTOR_NAME_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    STARTED_NS_FIELD_NUMBER: _ClassVar[int]
    ENDED_NS_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    ERROR_TEXT_FIELD_NUMBER: _ClassVar[int]
    CODE_NAME_FIELD_NUMBER: _ClassVar[int]
    CALLER_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    CALLED_NS_FIELD_NUMBER: _ClassVar[int]
    task_id: bytes
    attempt: int
    type: TaskType
    name: str
    method: str
    function_id: bytes
    actor_name: str
    worker_id: bytes
    pid: int
    started_ns: int
    ended_ns: int
    end: TaskEnd
    error_text: str
    code_name: str
    caller_id: bytes
    parent_id: bytes
    called_ns: int
    def __init__(self, task_id: _Optional[bytes] = ..., attempt: _Optional[int] = ..., type: _Optional[_Union[TaskType, str]] = ..., name: _Optional[str] = ..., method: _Optional[str] = ..., function_id: _Optional[bytes] = ..., actor_name: _Optional[str] = ..., worker_id: _Optional[bytes] = ..., pid: _Optional[int] = ..., started_ns: _Optional[int] = ..., ended_ns: _Optional[int] = ..., end: _Optional[_Union[TaskEnd, str]] = ..., error_text: _Optional[str] = ..., code_name: _Optional[str] = ..., caller_id: _Optional[bytes] = ..., parent_id: _Optional[bytes] = ..., called_ns: _Optional[int] = ...) -> None: ...

class TaskGet(_message.Message):
    __slots__ = ("task_id", "worker_id", "in_task_id", "asked_ns", "answered_ns")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    IN_TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ASKED_NS_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_NS_FIELD_NUMBER: _ClassVar[int]
    task_id: bytes
    worker_id: bytes
    in_task_id: bytes
    asked_ns: int
    answered_ns: int
    def __init__(self, task_id: _Optional[bytes] = ..., worker_id: _Optional[bytes] = ..., in_task_id: _Optional[bytes] = ..., asked_ns: _Optional[int] = ..., answered_ns: _Optional[int] = ...) -> None: ...

class Abandon(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class Sync(_message.Message):
    __slots__ = ("object_ids",)
    OBJECT_IDS_FIELD_NUMBER: _ClassVar[int]
    object_ids: bytes
    def __init__(self, object_ids: _Optional[bytes] = ...) -> None: ...

class RunTask(_message.Message):
    __slots__ = ("spec", "epoch", "generation", "attempt", "function", "ticket", "actor_name", "gpus")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    TICKET_FIELD_NUMBER: _ClassVar[int]
    ACTOR_NAME_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    spec: TaskSpec
    epoch: int
    generation: int
    attempt: int
    function: Value
    ticket: bool
    actor_name: str
    gpus: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, spec: _Optional[_Union[TaskSpec, _Mapping]] = ..., epoch: _Optional[int] = ..., generation: _Optional[int] = ..., attempt: _Optional[int] = ..., function: _Optional[_Union[Value, _Mapping]] = ..., ticket: bool = ..., actor_name: _Optional[str] = ..., gpus: _Optional[_Iterable[int]] = ...) -> None: ...

class CancelRun(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: bytes
    def __init__(self, task_id: _Optional[bytes] = ...) -> None: ...

class OpenLane(_message.Message):
    __slots__ = ("opening", "concurrency_group")
    OPENING_FIELD_NUMBER: _ClassVar[int]
    CONCURRENCY_GROUP_FIELD_NUMBER: _ClassVar[int]
    opening: int
    concurrency_group: str
    def __init__(self, opening: _Optional[int] = ..., concurrency_group: _Optional[str] = ...) -> None: ...

class Exit(_message.Message):
    __slots__ = ("now", "why", "lane")
    NOW_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    LANE_FIELD_NUMBER: _ClassVar[int]
    now: bool
    why: str
    lane: bool
    def __init__(self, now: bool = ..., why: _Optional[str] = ..., lane: bool = ...) -> None: ...

class TaskDone(_message.Message):
    __slots__ = ("task_id", "attempt", "outcome", "returns", "error", "retryable", "error_text", "creation_failed")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    RETURNS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    ERROR_TEXT_FIELD_NUMBER: _ClassVar[int]
    CREATION_FAILED_FIELD_NUMBER: _ClassVar[int]
    task_id: bytes
    attempt: int
    outcome: Outcome
    returns: _containers.RepeatedCompositeFieldContainer[Value]
    error: Value
    retryable: bool
    error_text: str
    creation_failed: bool
    def __init__(self, task_id: _Optional[bytes] = ..., attempt: _Optional[int] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., returns: _Optional[_Iterable[_Union[Value, _Mapping]]] = ..., error: _Optional[_Union[Value, _Mapping]] = ..., retryable: bool = ..., error_text: _Optional[str] = ..., creation_failed: bool = ...) -> None: ...

class RunDropped(_message.Message):
    __slots__ = ("generation",)
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    generation: int
    def __init__(self, generation: _Optional[int] = ...) -> None: ...

class LogLine(_message.Message):
    __slots__ = ("pid", "is_error", "name", "text", "node")
    PID_FIELD_NUMBER: _ClassVar[int]
    IS_ERROR_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    pid: int
    is_error: bool
    name: str
    text: bytes
    node: str
    def __init__(self, pid: _Optional[int] = ..., is_error: bool = ..., name: _Optional[str] = ..., text: _Optional[bytes] = ..., node: _Optional[str] = ...) -> None: ...

class IsTaskCanceledRequest(_message.Message):
    __slots__ = ("worker_id", "task_id")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    worker_id: bytes
    task_id: bytes
    def __init__(self, worker_id: _Optional[bytes] = ..., task_id: _Optional[bytes] = ...) -> None: ...

class IsTaskCanceledReply(_message.Message):
    __slots__ = ("canceled",)
    CANCELED_FIELD_NUMBER: _ClassVar[int]
    canceled: bool
    def __init__(self, canceled: bool = ...) -> None: ...

class InspectRequest(_message.Message):
    __slots__ = ("validate",)
    VALIDATE_FIELD_NUMBER: _ClassVar[int]
    validate: bool
    def __init__(self, validate: bool = ...) -> None: ...

class InspectReply(_message.Message):
    __slots__ = ("processes", "workers", "idle_workers", "tasks_pending", "tasks_queued", "tasks_running", "canceled", "objects", "blocks", "blocks_without_ref", "pins", "arena_used", "actors", "goroutines", "fds", "lanes", "parked", "leases", "tasks_submitted", "task_outcomes", "broken")
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    IDLE_WORKERS_FIELD_NUMBER: _ClassVar[int]
    TASKS_PENDING_FIELD_NUMBER: _ClassVar[int]
    TASKS_QUEUED_FIELD_NUMBER: _ClassVar[int]
    TASKS_RUNNING_FIELD_NUMBER: _ClassVar[int]
    CANCELED_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_WITHOUT_REF_FIELD_NUMBER: _ClassVar[int]
    PINS_FIELD_NUMBER: _ClassVar[int]
    ARENA_USED_FIELD_NUMBER: _ClassVar[int]
    ACTORS_FIELD_NUMBER: _ClassVar[int]
    GOROUTINES_FIELD_NUMBER: _ClassVar[int]
    FDS_FIELD_NUMBER: _ClassVar[int]
    LANES_FIELD_NUMBER: _ClassVar[int]
    PARKED_FIELD_NUMBER: _ClassVar[int]
    LEASES_FIELD_NUMBER: _ClassVar[int]
    TASKS_SUBMITTED_FIELD_NUMBER: _ClassVar[int]
    TASK_OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    BROKEN_FIELD_NUMBER: _ClassVar[int]
    processes: int
    workers: int
    idle_workers: int
    tasks_pending: int
    tasks_queued: int
    tasks_running: int
    canceled: int
    objects: int
    blocks: int
    blocks_without_ref: int
    pins: int
    arena_used: int
    actors: int
    goroutines: int
    fds: int
    lanes: int
    parked: int
    leases: int
    tasks_submitted: int
    task_outcomes: int
    broken: str
    def __init__(self, processes: _Optional[int] = ..., workers: _Optional[int] = ..., idle_workers: _Optional[int] = ..., tasks_pending: _Optional[int] = ..., tasks_queued: _Optional[int] = ..., tasks_running: _Optional[int] = ..., canceled: _Optional[int] = ..., objects: _Optional[int] = ..., blocks: _Optional[int] = ..., blocks_without_ref: _Optional[int] = ..., pins: _Optional[int] = ..., arena_used: _Optional[int] = ..., actors: _Optional[int] = ..., goroutines: _Optional[int] = ..., fds: _Optional[int] = ..., lanes: _Optional[int] = ..., parked: _Optional[int] = ..., leases: _Optional[int] = ..., tasks_submitted: _Optional[int] = ..., task_outcomes: _Optional[int] = ..., broken: _Optional[str] = ...) -> None: ...

class StateRequest(_message.Message):
    __slots__ = ("kind", "most")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    kind: StateKind
    most: int
    def __init__(self, kind: _Optional[_Union[StateKind, str]] = ..., most: _Optional[int] = ...) -> None: ...

class StateReply(_message.Message):
    __slots__ = ("tasks", "actors", "objects", "workers", "total", "session", "groups")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    ACTORS_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[TaskState]
    actors: _containers.RepeatedCompositeFieldContainer[ActorState]
    objects: _containers.RepeatedCompositeFieldContainer[ObjectState]
    workers: _containers.RepeatedCompositeFieldContainer[WorkerState]
    total: int
    session: SessionState
    groups: _containers.RepeatedCompositeFieldContainer[GroupInfo]
    def __init__(self, tasks: _Optional[_Iterable[_Union[TaskState, _Mapping]]] = ..., actors: _Optional[_Iterable[_Union[ActorState, _Mapping]]] = ..., objects: _Optional[_Iterable[_Union[ObjectState, _Mapping]]] = ..., workers: _Optional[_Iterable[_Union[WorkerState, _Mapping]]] = ..., total: _Optional[int] = ..., session: _Optional[_Union[SessionState, _Mapping]] = ..., groups: _Optional[_Iterable[_Union[GroupInfo, _Mapping]]] = ...) -> None: ...

class SessionState(_message.Message):
    __slots__ = ("version", "namespace", "age_ms", "total", "available", "store_bytes", "store_used", "counts", "node_id", "node_name", "labels", "job_ids")
    class TotalEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class AvailableEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    STORE_BYTES_FIELD_NUMBER: _ClassVar[int]
    STORE_USED_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    version: str
    namespace: str
    age_ms: int
    total: _containers.ScalarMap[str, float]
    available: _containers.ScalarMap[str, float]
    store_bytes: int
    store_used: int
    counts: InspectReply
    node_id: bytes
    node_name: str
    labels: _containers.ScalarMap[str, str]
    job_ids: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, version: _Optional[str] = ..., namespace: _Optional[str] = ..., age_ms: _Optional[int] = ..., total: _Optional[_Mapping[str, float]] = ..., available: _Optional[_Mapping[str, float]] = ..., store_bytes: _Optional[int] = ..., store_used: _Optional[int] = ..., counts: _Optional[_Union[InspectReply, _Mapping]] = ..., node_id: _Optional[bytes] = ..., node_name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., job_ids: _Optional[_Iterable[bytes]] = ...) -> None: ...

class TaskState(_message.Message):
    __slots__ = ("task_id", "parent_id", "owner_id", "actor_id", "worker_id", "pid", "name", "type", "stage", "attempt", "running_ms", "resources", "canceled")
    class ResourcesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_ID_FIELD_NUMBER: _ClassVar[int]
    ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    RUNNING_MS_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    CANCELED_FIELD_NUMBER: _ClassVar[int]
    task_id: bytes
    parent_id: bytes
    owner_id: bytes
    actor_id: bytes
    worker_id: bytes
    pid: int
    name: str
    type: int
    stage: TaskStage
    attempt: int
    running_ms: int
    resources: _containers.ScalarMap[str, float]
    canceled: bool
    def __init__(self, task_id: _Optional[bytes] = ..., parent_id: _Optional[bytes] = ..., owner_id: _Optional[bytes] = ..., actor_id: _Optional[bytes] = ..., worker_id: _Optional[bytes] = ..., pid: _Optional[int] = ..., name: _Optional[str] = ..., type: _Optional[int] = ..., stage: _Optional[_Union[TaskStage, str]] = ..., attempt: _Optional[int] = ..., running_ms: _Optional[int] = ..., resources: _Optional[_Mapping[str, float]] = ..., canceled: bool = ...) -> None: ...

class ActorState(_message.Message):
    __slots__ = ("actor_id", "class_name", "name", "namespace", "state", "pid", "worker_id", "owner_id", "restarts", "detached", "resources")
    class ResourcesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_ID_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    DETACHED_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    actor_id: bytes
    class_name: str
    name: str
    namespace: str
    state: str
    pid: int
    worker_id: bytes
    owner_id: bytes
    restarts: int
    detached: bool
    resources: _containers.ScalarMap[str, float]
    def __init__(self, actor_id: _Optional[bytes] = ..., class_name: _Optional[str] = ..., name: _Optional[str] = ..., namespace: _Optional[str] = ..., state: _Optional[str] = ..., pid: _Optional[int] = ..., worker_id: _Optional[bytes] = ..., owner_id: _Optional[bytes] = ..., restarts: _Optional[int] = ..., detached: bool = ..., resources: _Optional[_Mapping[str, float]] = ...) -> None: ...

class ObjectState(_message.Message):
    __slots__ = ("object_id", "owner_id", "ready", "error", "shared", "size", "handles", "borrowers", "uses", "inside")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_ID_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    HANDLES_FIELD_NUMBER: _ClassVar[int]
    BORROWERS_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    INSIDE_FIELD_NUMBER: _ClassVar[int]
    object_id: bytes
    owner_id: bytes
    ready: bool
    error: bool
    shared: bool
    size: int
    handles: int
    borrowers: int
    uses: int
    inside: int
    def __init__(self, object_id: _Optional[bytes] = ..., owner_id: _Optional[bytes] = ..., ready: bool = ..., error: bool = ..., shared: bool = ..., size: _Optional[int] = ..., handles: _Optional[int] = ..., borrowers: _Optional[int] = ..., uses: _Optional[int] = ..., inside: _Optional[int] = ...) -> None: ...

class WorkerState(_message.Message):
    __slots__ = ("worker_id", "pid", "state", "label", "actor_id", "resources", "running")
    class ResourcesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    worker_id: bytes
    pid: int
    state: str
    label: str
    actor_id: bytes
    resources: _containers.ScalarMap[str, float]
    running: bytes
    def __init__(self, worker_id: _Optional[bytes] = ..., pid: _Optional[int] = ..., state: _Optional[str] = ..., label: _Optional[str] = ..., actor_id: _Optional[bytes] = ..., resources: _Optional[_Mapping[str, float]] = ..., running: _Optional[bytes] = ...) -> None: ...

class WhyRequest(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: str
    def __init__(self, task: _Optional[str] = ...) -> None: ...

class WhyReply(_message.Message):
    __slots__ = ("lines", "found")
    LINES_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[WhyLine]
    found: int
    def __init__(self, lines: _Optional[_Iterable[_Union[WhyLine, _Mapping]]] = ..., found: _Optional[int] = ...) -> None: ...

class WhyLine(_message.Message):
    __slots__ = ("depth", "text")
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    depth: int
    text: str
    def __init__(self, depth: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...
