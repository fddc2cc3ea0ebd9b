"""What a lane brings to be run, read as far as every run needs it.

Owns `Run` and the quick way from a message's bytes to runs. The calls of one method differ in an id, a few numbers and their
arguments; everything else is bytes that were seen before. So these bytes are looked up, and only what is new is read by
protobuf. Whatever does not look exactly as expected here (another order of fields, arguments, the bytes of a function) goes
the slow way and means the same: test_core_runs.py compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence

from mobula._core import context
from mobula._core.pb import boundary_pb2 as pb

_APPLIED = 0x10
_RUN, _SPEC, _TYPE, _EPOCH, _GENERATION, _ATTEMPT, _TICKET = 0x22, 0x0A, 0x08, 0x10, 0x18, 0x20, 0x30
_TASK_ID, _PARENT = b"\x12\x18", b"\x1a\x18"
_LONGEST = 1024  # bytes of a spec: what is longer is seldom the same twice
_KEPT = 512  # shapes; a program with more methods reads some of them again


class Shape:
    """What the runs of one function or method have in common."""

    __slots__ = ("function_id", "method", "name", "num_returns", "placement", "resources", "runtime_env", "streams", "type")

    def __init__(self, spec: pb.TaskSpec) -> None:
        self.type = spec.type
        self.name = spec.name
        self.method = spec.method
        self.function_id = spec.function_id
        self.num_returns = spec.num_returns
        #: Whether its items are objects of their own.
        self.streams = bool(spec.streaming or spec.dynamic)
        #: The placement group, b"" for none, and whether it captures what is submitted there.
        self.placement = (spec.placement.group_id, spec.placement.capture)
        if spec.placement.capture:
            context.note_capture()
        self.runtime_env = spec.runtime_env
        #: What it holds while it runs. Not to be changed: shared by all runs.
        self.resources = {resource.name: resource.amount for resource in spec.resources}


class Run:
    """One task for this lane: RunTask of the boundary."""

    __slots__ = ("_encoded", "_message", "attempt", "bare", "epoch", "generation", "shape", "task_id", "ticket")

    def __init__(
        self, shape: Shape, task_id: bytes, epoch: int, generation: int, attempt: int, ticket: bool, encoded: bytes
    ) -> None:
        self.shape = shape
        self.task_id = task_id
        self.epoch = epoch
        self.generation = generation
        self.attempt = attempt
        self.ticket = ticket
        #: Whether it has neither arguments nor the bytes of its function.
        self.bare = True
        self._encoded = encoded
        self._message: pb.RunTask | None = None

    @classmethod
    def of(cls, message: pb.RunTask) -> Run:
        """The run that a message describes; the message is the run's from now on."""
        spec = message.spec
        run = cls(Shape(spec), spec.task_id, message.epoch, message.generation, message.attempt, message.ticket, b"")
        run._message = message
        run.bare = not spec.args and not message.HasField("function")
        return run

    @property
    def message(self) -> pb.RunTask:
        """All of it."""
        message = self._message
        if message is None:
            message = self._message = pb.RunTask.FromString(self._encoded)
        return message

    @property
    def spec(self) -> pb.TaskSpec:
        """The whole spec, arguments and all."""
        return self.message.spec

    @property
    def gpus(self) -> Sequence[int]:
        """The logical GPUs that it has. A run that has some is never bare."""
        return () if self._message is None else self._message.gpus


_shapes: dict[bytes, Shape] = {}


def read(data: bytes) -> tuple[int, list[Run]] | None:
    """What an encoded ToShim acknowledges (0: nothing) and its runs; None when it brings something else as well, or is cut
    short."""
    out: list[Run] = []
    applied = pos = 0
    end = len(data)
    try:
        if data[0] == _APPLIED:
            applied = data[1]
            pos = 2
            if applied > 127:
                applied, pos = _rest(applied, data, pos)
        while pos < end:
            if data[pos] != _RUN:
                return None
            size = data[pos + 1]
            pos += 2
            if size > 127:
                size, pos = _rest(size, data, pos)
            stop = pos + size
            if stop > end:
                return None
            encoded = data[pos:stop]
            out.append(_quickly(encoded) or Run.of(pb.RunTask.FromString(encoded)))
            pos = stop
    except IndexError:
        return None
    return (applied, out) if out else None


def _quickly(data: bytes) -> Run | None:
    """The run, unless something about it is out of the ordinary."""
    if data[0] != _SPEC:
        return None
    size = data[1]
    pos = 2
    if size > 127:
        size, pos = _rest(size, data, pos)
    if size > _LONGEST:
        return None
    spec_end = pos + size
    kind = b""
    if data[pos] == _TYPE:
        kind = data[pos : pos + 2]
        pos += 2
    if data[pos : pos + 2] != _TASK_ID:
        return None
    task_id = data[pos + 2 : pos + 26]
    pos += 26
    if data[pos : pos + 2] == _PARENT:
        pos += 26
    alike = kind + data[pos:spec_end]
    shape = _shapes.get(alike)
    if shape is None:
        return _first(alike, data)
    epoch = generation = attempt = 0
    ticket = False
    pos, end = spec_end, len(data)
    while pos < end:
        tag, value = data[pos], data[pos + 1]
        pos += 2
        if value > 127:
            value, pos = _rest(value, data, pos)
        if tag == _EPOCH:
            epoch = value
        elif tag == _GENERATION:
            generation = value
        elif tag == _TICKET:
            ticket = value != 0
        elif tag == _ATTEMPT:
            attempt = value
        else:
            return None
    return Run(shape, task_id, epoch, generation, attempt, ticket, data)


def _first(alike: bytes, data: bytes) -> Run:
    """A run whose like was not seen yet; its shape is kept for those that follow."""
    run = Run.of(pb.RunTask.FromString(data))
    if not run.spec.args:
        if len(_shapes) >= _KEPT:
            _shapes.clear()
        _shapes[alike] = run.shape
    return run


def _rest(first: int, data: bytes, pos: int) -> tuple[int, int]:
    """The varint whose first byte was `first`, and where it ends."""
    value, shift = first & 127, 7
    while True:
        byte = data[pos]
        pos += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, pos
        shift += 7
