"""What a call returns: how many objects, or a stream of them.

Owns the rule that a generator function streams unless it says otherwise, the TaskSpec fields of that, and the handles that a
caller gets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from mobula._core import ids
from mobula.object_ref import ObjectRef
from mobula.object_ref_generator import ObjectRefGenerator

if TYPE_CHECKING:
    from mobula._core.process import Process

_FIRST = (1).to_bytes(4, "little")
_called = ObjectRef._called


class Returns(NamedTuple):
    """The returns of a call."""

    number: int = 1
    streaming: bool = False
    dynamic: bool = False
    backpressure: int = 0  # items that may be there and not taken; 0 = any number
    together: int = 0  # the same of all streams of the actor together; 0 = any number
    per_yield: int = 0  # items that each yield brings, in a tuple or list; 0 = what is yielded is the item

    @property
    def single(self) -> bool:
        """Whether there is one ref, of one value."""
        return self.number == 1 and not self.streaming and not self.dynamic

    def fields(self) -> dict[str, Any]:
        """The fields of TaskSpec."""
        given: dict[str, Any] = {"num_returns": self.number}
        if self.streaming:
            given.update(streaming=True, backpressure=self.backpressure, per_yield=self.per_yield)
            given.update(actor_backpressure=self.together)
        if self.dynamic:
            given["dynamic"] = True
        return given

    def handles(self, process: Process, task_id: bytes) -> Any:
        """What the caller gets: a ref, a list of several, None for none, a generator for a stream. To be made before the call
        is written: whatever interrupts the caller from then on ends them. `counted` comes after it."""
        if self.streaming:
            return ObjectRefGenerator(_called(task_id + _FIRST), process, self.backpressure > 0 or self.together > 0)
        if self.number == 1:
            return _called(task_id + _FIRST)
        if self.number == 0:
            return None
        return [_called(ids.return_id(task_id, one + 1)) for one in range(self.number)]

    def counted(self, made: Any) -> None:
        """The call was written: the core counts these handles with it."""
        if self.streaming:
            made._generator_ref._counted()
        elif self.number == 1:
            made._counted()
        elif self.number:
            for ref in made:
                ref._counted()


def returns_of(
    num_returns: int | str | None, backpressure: int | None, per_yield: int | None, *, is_generator: bool, together: int = 0
) -> Returns:
    """What `num_returns`, `_generator_backpressure_num_objects` and `_num_objects_per_yield` mean for a function; `together` is
    the limit that all streams of an actor have."""
    if num_returns is None:
        num_returns = "streaming" if is_generator else 1
    if num_returns == "streaming":
        per_yield = per_yield if per_yield and per_yield > 1 else 0
        return Returns(streaming=True, backpressure=max(backpressure or 0, 0), together=together, per_yield=per_yield)
    if num_returns == "dynamic":
        return Returns(dynamic=True)
    return Returns(number=int(num_returns))
