"""Waiting for objects: what get() and wait() of the API do once their arguments are checked.

Owns timeouts, the order of answers, and the rule that what this process has seen once it need not ask for again: a small
value is kept, as bytes, on the ref it came for, and every get unpickles it anew. It refuses to validate what users pass.

The core watches the time limits, so that it need not be asked twice. A core that does not answer (it is stopped, or the
machine is overloaded) is not waited for either: some grace after the limit the asker gives up by its own clock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mobula._core import context, values, wire
from mobula._core.lanes import TooLate
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.replies import check
from mobula.exceptions import GetTimeoutError
from mobula.serialization import deserialize

if TYPE_CHECKING:
    from mobula._core.process import Process
    from mobula.object_ref import ObjectRef

_LONGEST_MS = 1 << 53
GRACE_S = 1.0


def get(process: Process, refs: Sequence[ObjectRef[Any]], timeout: float | None) -> list[Any]:
    """The values of refs, in order; see Process.get."""
    if len(refs) == 1 and refs[0]._value is None:
        ref = refs[0]
        arena = process.arena
        recent = arena.recent.find(ref._id) if arena is not None else None
        if recent is None and timeout is None:
            ref._value = process.outcome(ref._id)
            if ref._value is None and ref._id in process.canceled:
                _ask_what_was_ended(process)
    else:
        recent = None
    deadline = deadline_of(timeout)
    asked = [ref for ref in refs if ref._value is None]
    large: Mapping[bytes, values.Raw]
    if recent is not None:
        large = {asked[0]._id: recent}
    elif asked:
        if len(asked) != len(refs):
            _raise_known_error(refs)
        large = _fetch(process, asked, deadline)
    else:
        large = {}
    out = []
    for ref in refs:
        cached = ref._value
        data, metadata = cached if cached is not None else large[ref._id]
        failed, value = deserialize(data, metadata, ref._id)
        if failed:
            raise values.error_of(value)
        out.append(value)
    return out


def _ask_what_was_ended(process: Process) -> None:
    """Who cancels many tasks gets many: what became of all of them comes with the first one's."""
    asked, process.canceled = process.canceled, {}
    ids = b"".join(asked)
    reply = check(process.call(lambda: wire.sync_body(ids)))
    note_ended([ref() for ref in asked.values()], reply.get.values)


def note_ended(refs: Iterable[ObjectRef[Any] | None], values: Iterable[pb.Value]) -> None:
    """Leaves on their refs the errors that the answer to a `sync` has brought."""
    for ref, value in zip(refs, values, strict=False):  # from inside another call there is no answer
        if ref is not None and ref._value is None and value.metadata:
            ref._value = (value.data, value.metadata)


def _raise_known_error(refs: Sequence[ObjectRef[Any]]) -> None:
    """An error among what is known already is raised before anything else is waited for."""
    for ref in refs:
        cached = ref._value
        if cached is not None and values.is_error(cached):
            raise values.error_of(deserialize(cached[0], cached[1], ref._id)[1])


def _fetch(process: Process, refs: list[ObjectRef[Any]], deadline: float | None) -> dict[bytes, values.Raw]:
    """Asks the core for values; small ones are left on their refs, large ones returned by id.

    A ref that occurs twice is asked for once, so a block is pinned once.
    """
    ids = list(dict.fromkeys([ref._id for ref in refs])) if len(refs) > 1 else [refs[0]._id]
    joined = b"".join(ids)
    task_id, told = context.asking()
    arena = process.arena

    def take(reply: pb.Reply, settle: Callable[[], object]) -> tuple[pb.Reply, list[values.Raw]]:
        return reply, values.taken(reply.get.values, arena, settle)

    try:
        reply, opened = process.call_and_take(
            lambda: wire.get_body(joined, remaining_ms(deadline), task_id, told), take, give_up_at(deadline)
        )
    except TooLate:
        raise _timed_out(len(ids), ": mobula-core does not answer; is it stopped?") from None
    got = check(reply).get
    if got.timed_out:
        raise _timed_out(len(ids), ".")
    if got.failed:
        raise _failure(ids[got.failed_index], refs, opened[0])
    large: dict[bytes, values.Raw] = {}
    if len(ids) == len(refs):
        for ref, value, raw in zip(refs, got.values, opened, strict=True):
            if value.HasField("block"):
                large[ref._id] = raw
            else:
                ref._value = raw  # type: ignore[assignment]  # bytes, for it has no block
        if large and len(refs) == 1 and arena is not None:
            arena.recent.keep(ids[0], *opened[0])
        return large
    small: dict[bytes, values.Inline] = {}
    for object_id, value, raw in zip(ids, got.values, opened, strict=True):
        if value.HasField("block"):
            large[object_id] = raw
        else:
            small[object_id] = raw  # type: ignore[assignment]
    for ref in refs:
        ref._value = small.get(ref._id)
    return large


def fill_in(process: Process, spec: pb.TaskSpec) -> None:
    """Gets the arguments of a task that came without values: they were not in memory when it was sent.

    Asked for by the task itself, so that a cancel of it ends the wait. An object that occurs twice is asked for twice, for
    each argument holds a pin. Raises the error that one of them is by now.
    """
    away = [arg for arg in spec.args if not arg.HasField("value")]
    joined = b"".join([arg.ref for arg in away])
    got = check(process.call(lambda: wire.get_body(joined, -1, spec.task_id, False))).get
    if got.failed:
        raise _failure(away[got.failed_index].ref, [], values.opened(got.values[0], process.arena))
    for arg, value in zip(away, got.values, strict=True):
        arg.value.CopyFrom(value)


def _timed_out(asked: int, rest: str) -> GetTimeoutError:
    return GetTimeoutError(f"Get timed out: {asked} object(s) were asked for and not all became ready in time{rest}")


def _failure(object_id: bytes, refs: list[ObjectRef[Any]], raw: values.Raw) -> BaseException:
    data, metadata = raw
    if isinstance(data, bytes):
        for ref in refs:
            if ref._id == object_id:
                ref._value = (data, metadata)
    return values.error_of(deserialize(data, metadata, object_id)[1])


def wait(
    process: Process, refs: Sequence[ObjectRef[Any]], num_returns: int, timeout: float | None
) -> tuple[list[ObjectRef[Any]], list[ObjectRef[Any]]]:
    """(ready, rest), both in the order of the input; see Process.wait."""
    deadline = deadline_of(timeout)
    if all(ref._value is not None for ref in refs[:num_returns]):
        return list(refs[:num_returns]), list(refs[num_returns:])
    joined = b"".join([ref._id for ref in refs])
    asked, flags = process.waited
    if joined != asked or flags.count(_READY_TOO) < num_returns:
        task_id, told = context.asking()
        try:
            reply = process.call(
                lambda: wire.wait_body(joined, num_returns, remaining_ms(deadline), task_id, told), give_up_at(deadline)
            )
            flags = check(reply).wait.ready.replace(b"\1", _READY_TOO)
        except TooLate:
            flags = bytes(2 * (ref._value is not None) for ref in refs)  # what is known to be ready without asking
    return _parted(process, refs, joined, flags, num_returns)


_READY_TOO = b"\2"
#: Up to so many, what is taken is taken one by one.
_FEW = 16


def _parted(
    process: Process, refs: Sequence[ObjectRef[Any]], joined: bytes, flags: bytes, num_returns: int
) -> tuple[list[ObjectRef[Any]], list[ObjectRef[Any]]]:
    """(ready, rest) by the flags of all; what is known of the rest is kept for who waits for it next, as loops do.

    What is ready stays so. Mostly few of many are taken, so what lies between them is moved in slices.
    """
    ready: list[ObjectRef[Any]] = []
    rest: list[ObjectRef[Any]] = []
    if num_returns > _FEW:
        for ref, flag in zip(refs, flags, strict=True):
            (ready if flag and len(ready) < num_returns else rest).append(ref)
        return ready, rest
    rest_joined, rest_flags = [], []
    start = 0
    while len(ready) < num_returns and (found := flags.find(_READY_TOO, start)) >= 0:
        ready.append(refs[found])
        rest += refs[start:found]
        rest_joined.append(joined[28 * start : 28 * found])
        rest_flags.append(flags[start:found])
        start = found + 1
    rest += refs[start:]
    rest_joined.append(joined[28 * start :])
    rest_flags.append(flags[start:])
    known = b"".join(rest_flags)
    process.waited = (b"".join(rest_joined), known) if _READY_TOO in known else (b"", b"")
    return ready, rest


def deadline_of(timeout: float | None) -> float | None:
    """When a wait of so many seconds is over; 0.0 for one that only looks."""
    if timeout is None:
        return None
    if not timeout >= 0:  # also refuses NaN
        raise ValueError(f"the timeout is {timeout}; give None to wait for ever, 0 to only look, or seconds")
    return time.monotonic() + timeout if timeout else 0.0


def give_up_at(deadline: float | None) -> float | None:
    """When a core that has not answered by itself is waited for no longer."""
    if deadline is None:
        return None
    return (deadline or time.monotonic()) + GRACE_S


def remaining_ms(deadline: float | None) -> int:
    """What is left of it, for the wire."""
    if deadline is None:
        return -1
    if not deadline:
        return 0
    left = deadline - time.monotonic()
    return min(math.ceil(left * 1000), _LONGEST_MS) if 0 < left < _LONGEST_MS else (0 if left <= 0 else _LONGEST_MS)
