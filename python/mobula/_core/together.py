"""Steps that no interrupt can part.

A signal handler of Python runs between two bytecodes. Two steps of Python code can therefore always be parted; steps that
are calls of C functions, made by an iterator of C, cannot:

    note(id)                                       <- KeyboardInterrupt right here
    ref.__del__ = MethodType(drop, id)

    together(partial(note, id), partial(set_del, ref, MethodType(drop, id)))      both, or none

For the same reason what has to happen at the end of an object is not a method in Python, which may be interrupted before its
first bytecode. Such classes have a *slot* of the name `__del__`, and each object keeps a bound C function there: the
interpreter calls what it finds, also when the object ends in a cycle, and an empty slot means that there is nothing to do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from operator import methodcaller

_call = methodcaller("__call__")


def together(*steps: Callable[[], object]) -> None:
    """Calls each of the steps, in order. They must be C functions, or partials of such, and must not raise."""
    deque(map(_call, steps), maxlen=0)


def together_all(steps: Iterable[Callable[[], object]]) -> None:
    """The same for many; `steps` must be a list or an iterator of C."""
    deque(map(_call, steps), maxlen=0)
