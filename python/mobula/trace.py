"""The file that `mobula timeline` writes: what ran when, and arrows from a call over its run to the get of what it returned.

Owns the form, which is Chrome's trace events (ui.perfetto.dev, chrome://tracing). An arrow begins and ends in slices that are drawn
at those times, so a call or get that no slice of a task encloses, as the driver's, gets one of its own. Slices that overlap on one
track must be nested; what is not goes onto another track of the same process. It asks nobody: attempts and gets are given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mobula.events import complete

if TYPE_CHECKING:
    from mobula._core.pb import boundary_pb2 as pb

_PROCESS = 1  # everything is one session
_CALL_NS = 100  # how long a call is drawn; the core takes longer for one, so they do not overlap


class _Tracks:
    """Rows of the picture: as many for one owner as it has slices that overlap."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._owners: dict[str, list[tuple[int, int]]] = {}  # (tid, when its last slice ends)
        self._made = 0

    def place(self, owner: str, begin_ns: int, end_ns: int) -> int:
        """The track of a slice. The slices of one owner come in the order in which they begin."""
        rows = self._owners.setdefault(owner, [])
        for at, (tid, free_from) in enumerate(rows):
            if free_from <= begin_ns:
                rows[at] = tid, end_ns
                return tid
        self._made += 1
        tid = self._made
        name = owner if not rows else f"{owner} ({len(rows) + 1})"
        self.events.append({"ph": "M", "name": "thread_name", "pid": _PROCESS, "tid": tid, "args": {"name": name}})
        rows.append((tid, end_ns))
        return tid


def perfetto(attempts: Sequence[pb.TaskEvent], gets: Sequence[pb.TaskGet], session: str = "") -> dict[str, Any]:
    """The whole file, as an object to be written as JSON."""
    tracks = _Tracks()
    out = tracks.events
    out.append({"ph": "M", "name": "process_name", "pid": _PROCESS, "tid": 0, "args": {"name": f"mobula {session}".rstrip()}})
    pids = {one.worker_id: one.pid for one in attempts}

    def name_of(process: bytes) -> str:
        return f"worker {pids[process]}" if process in pids else "driver"

    # Drawn slices of tasks: (begin, end, tid) by task.
    drawn: dict[bytes, list[tuple[int, int, int]]] = {}
    for one in sorted(attempts, key=lambda one: one.started_ns):
        tid = tracks.place(name_of(one.worker_id), one.started_ns, one.ended_ns)
        drawn.setdefault(one.task_id, []).append((one.started_ns, one.ended_ns, tid))
        out.append({**complete(one, function_of(one)), "pid": _PROCESS, "tid": tid, **_times(one.started_ns, one.ended_ns)})

    def inside(task: bytes, at: int) -> int | None:
        """The track where this task's run is drawn at this time."""
        return next((tid for begin, end, tid in drawn.get(task, ()) if begin <= at <= end), None)

    arrows: dict[bytes, list[tuple[int, int]]] = {}  # by task: (time, track), in order
    calls = {one.task_id: one for one in reversed(attempts)}  # its first attempt
    before = _Previous()
    for call in sorted(calls.values(), key=lambda one: one.called_ns):
        row = inside(call.parent_id, call.called_ns)
        if row is None:
            owner = f"{name_of(call.caller_id)}: calls"
            begin = before.after(owner, call.called_ns)
            tid = tracks.place(owner, begin, begin + _CALL_NS)
            out.append(_slice(f"{function_of(call)}.remote()", begin, begin + _CALL_NS, tid, {"task_id": call.task_id.hex()}))
            arrows[call.task_id] = [(begin, tid)]
        else:
            arrows[call.task_id] = [(call.called_ns, row)]
    for task, runs in drawn.items():  # each has its call: both are told by its attempts
        arrows[task] += [(begin, tid) for begin, _, tid in runs]
    for asked, answered, group in _together(gets):
        row, at = inside(group[0].in_task_id, answered), answered
        if row is None:
            end = max(answered, asked + _CALL_NS)
            row = tracks.place(f"{name_of(group[0].worker_id)}: get", asked, end)
            what = function_of(calls[group[0].task_id]) if group[0].task_id in calls else "an older task"
            name = f"get({what})" if len(group) == 1 else f"get({len(group)} objects)"
            at = end - 1  # a slice does not enclose its own end
            out.append(_slice(name, asked, end, row, {}))
        for got in group:
            if got.task_id in arrows and len(arrows[got.task_id]) <= len(drawn[got.task_id]) + 1:
                arrows[got.task_id].append((at, row))  # the first one
    for number, (task, points) in enumerate(arrows.items(), 1):
        out.extend(_arrow(number, task, points))
    # Microseconds from zero on: those since 1970 are too large for a fraction.
    zero = min((event["ts"] for event in out if "ts" in event), default=0)
    for event in out:
        if "ts" in event:
            event["ts"] = (event["ts"] - zero) / 1000
        if "dur" in event:
            event["dur"] /= 1000
    return {"traceEvents": out, "displayTimeUnit": "ms", "otherData": {"zero_ns_since_1970": zero}}


def function_of(one: pb.TaskEvent) -> str:
    """The method's or function's own name, whatever a call of it was named."""
    return one.method or one.code_name or one.name


class _Previous:
    """Calls that were made closer to each other than they are drawn, beside each other."""

    def __init__(self) -> None:
        self._ends: dict[str, int] = {}

    def after(self, owner: str, at: int) -> int:
        begin = max(at, self._ends.get(owner, 0))
        self._ends[owner] = begin + _CALL_NS
        return begin


def _together(gets: Iterable[pb.TaskGet]) -> list[tuple[int, int, list[pb.TaskGet]]]:
    """Gets by when they began; what one call of get() brought is one."""
    found: dict[tuple[int, int, bytes, bytes], list[pb.TaskGet]] = {}
    for one in gets:
        found.setdefault((one.asked_ns, one.answered_ns, one.worker_id, one.in_task_id), []).append(one)
    return [(key[0], key[1], found[key]) for key in sorted(found)]


def _slice(name: str, begin_ns: int, end_ns: int, tid: int, args: dict[str, Any]) -> dict[str, Any]:
    return {"ph": "X", "cat": "call", "name": name, "pid": _PROCESS, "tid": tid, **_times(begin_ns, end_ns), "args": args}


def _times(begin_ns: int, end_ns: int) -> dict[str, Any]:
    """In nanoseconds; `perfetto` makes them microseconds from zero on."""
    return {"ts": begin_ns, "dur": max(end_ns - begin_ns, 0)}


def _arrow(number: int, task: bytes, points: Sequence[tuple[int, int]]) -> Iterable[dict[str, Any]]:
    """One flow: it starts at the first point and ends at the last."""
    for at, (when_ns, tid) in enumerate(points):
        kind = "s" if at == 0 else "f" if at == len(points) - 1 else "t"
        event = {"ph": kind, "cat": "flow", "name": "call", "id": number, "pid": _PROCESS, "tid": tid, "ts": when_ns}
        yield {**event, "bp": "e"} if kind != "s" else event
