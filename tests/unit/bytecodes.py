"""Interrupts after every single bytecode of the shim: a tracer that raises, and the loop that takes it through an operation.

An operation has hundreds of bytecodes, and each of them costs a run of its own. So by default a long one is interrupted at every
`stride`-th bytecode, from a random one on, and all are reached over a few runs. MOBULA_EVERY_BYTECODE=1 takes every one in one
run. The summary of a pytest run says how many were interrupted.
"""

from __future__ import annotations

import dis
import os
import random
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NamedTuple

import mobula

#: The whole of the package: what runs of it in a driver may be interrupted anywhere.
ROOMS = tuple(path + os.sep for path in mobula.__path__)

# What the compiler adds where a handler of exceptions begins and ends. No signal handler runs before these, and nothing may be
# raised there: the interpreter holds on to the exception that was being handled, for as long as the thread lives, and with it
# to the frames of its traceback. A NOP is what is left of a `try:` from 3.11 on (SETUP_FINALLY before): of a `with` around it
# the table of handlers leaves it out.
GLUE = frozenset(
    {"PUSH_EXC_INFO", "POP_EXCEPT", "RERAISE", "COPY", "WITH_EXCEPT_START", "CHECK_EXC_MATCH", "CLEANUP_THROW"}
    | {"NOP", "SETUP_FINALLY", "SETUP_WITH"}
)

GLUE_OPCODES = frozenset(dis.opmap[name] for name in GLUE if name in dis.opmap)

WHOLE = os.environ.get("MOBULA_EVERY_BYTECODE", "") not in ("", "0")
_dice = random.Random()


def stride_of(wanted: int) -> tuple[int, int]:
    """The first bytecode that this run takes, and the distance to the next one."""
    stride = 1 if WHOLE else wanted
    return 1 + _dice.randrange(stride), stride


class Count(NamedTuple):
    """How far an operation was interrupted."""

    bytecodes: int
    interrupted: int


#: By operation; read by the summary of the run.
counts: dict[str, Count] = {}


class Tracer:
    """For sys.settrace: has `step` called before every bytecode of the rooms."""

    rooms = ROOMS

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(self.rooms):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self.step

    def step(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Returns itself. What it raises is raised at the bytecode."""
        raise NotImplementedError


class Interrupter(Tracer):
    """Raises KeyboardInterrupt at the n-th bytecode inside the rooms, or the next one where an interrupt may be."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.where = "nowhere"  # it raised

    def step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            self.left -= 1
            if self.left <= 0 and frame.f_code.co_code[frame.f_lasti] not in GLUE_OPCODES:
                sys.settrace(None)
                self.where = f"{frame.f_code.co_filename}:{frame.f_lineno}, byte {frame.f_lasti} of {frame.f_code.co_name}"
                raise KeyboardInterrupt
        return self.step


def interrupted(at: int, operation: Callable[[], object]) -> bool:
    """Whether the operation was long enough to be interrupted there."""
    return run_with(Interrupter(at), operation)


def run_with(tracer: Interrupter, operation: Callable[[], object]) -> bool:
    """The same with an interrupter of one's own, which tells afterwards where it was."""
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        operation()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return tracer.left <= 0


def run_everywhere(
    name: str, operation: Callable[[int], object], check: Callable[[int], object], stride: int = 1, most: int = 50_000
) -> int:
    """Runs `operation(n)` with an interrupt at its n-th bytecode, then `check(n)`, for growing n until it comes to its end. Returns
    that n."""
    first, stride = stride_of(stride)
    for interrupts, step in enumerate(range(first, most, stride)):
        tracer = Interrupter(step)
        if not run_with(tracer, lambda step=step: operation(step)):  # type: ignore[misc]
            counts[name] = Count(step - 1, interrupts)
            return step
        try:
            check(step)
        except BaseException:
            print(f"{name} was interrupted at its bytecode {step}: {tracer.where}")
            raise
    raise AssertionError(f"{name} never came to its end")


def told() -> list[str]:
    """What the summary says."""
    if not counts:
        return []
    widest = max(map(len, counts))
    lines = [f"  {name:{widest}}  {one.interrupted:5} of {one.bytecodes}" for name, one in sorted(counts.items())]
    total = sum(one.interrupted for one in counts.values()), sum(one.bytecodes for one in counts.values())
    return ["bytecodes interrupted:", *lines, f"  {'in all':{widest}}  {total[0]:5} of {total[1]}"]
