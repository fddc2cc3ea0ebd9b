"""The actor that lives in this worker: its instance, and how a method is found by name."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from mobula._core.context import current, set_actor_placement
from mobula._core.pb import boundary_pb2 as pb
from mobula._worker import exiting
from mobula._worker.exiting import ActorExit, AsyncActorExit, Departure


class Actor:
    """The one actor of this process, from its creation task on.

    `instance` is set once `__init__` has returned; the core sends no method before that.
    """

    def __init__(self, run: pb.RunTask) -> None:
        spec = run.spec
        self.actor_id = spec.actor_id
        self.class_name = spec.actor.class_name
        self.is_async = spec.actor.is_asyncio
        self.name = spec.actor.name or run.actor_name  # "": not named
        self.namespace = spec.actor.namespace
        self.handle = spec.actor.handle  # what other processes make their handles from
        self.reconstructed = run.attempt > 0
        self.placement = (spec.placement.group_id, spec.placement.capture)
        self.resources = {resource.name: resource.amount for resource in spec.resources}
        self.departure = Departure()
        self.instance: Any = None
        # What Ray adds to every actor class.
        self._added: dict[str, Callable[..., Any]] = {
            "__ray_ready__": self._ready,
            "__ray_call__": self._call,
            "__ray_terminate__": self.exit,
        }

    def method(self, name: str) -> Callable[..., Any]:
        """The bound method. Raises AttributeError when the class has none of this name."""
        return self._added.get(name) or getattr(self.instance, name)

    def exit(self) -> None:
        """exit_actor(): raises what ends the calling method, and the process leaves when the running ones are done."""
        task = current.get()
        self.departure.ask(b"" if task is None else task.task_id)
        if task is None:
            # A thread of the user's own, which no report follows: somebody has to see that the process ends.
            threading.Thread(target=self._leave_when_alone, name="mobula-leave", daemon=True).start()
        if self.is_async:
            raise AsyncActorExit("exit_actor() was called")
        raise ActorExit("exit_actor() was called")

    def _leave_when_alone(self) -> None:
        self.departure.wait_until_alone()
        exiting.leave(exiting.EXIT_CLEAN, actor=self.instance)

    def _ready(self) -> bool:
        return True

    def _call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(self.instance, *args, **kwargs)


_current: Actor | None = None


def current_actor() -> Actor | None:
    """The actor of this process; None in the driver and in workers of normal tasks."""
    return _current


def become(actor: Actor) -> None:
    """Make this worker the process of `actor`, for good."""
    global _current
    _current = actor
    set_actor_placement(actor.placement)


def exit_actor() -> None:
    """End the current actor from one of its methods; does not return.

    The calling method fails with ActorDiedError at its caller, methods that run come to their end, and the actor is not restarted.
    Raises TypeError outside of an actor. Ray: `actor.py`, exit_actor.
    """
    actor = _current
    if actor is None:
        raise TypeError("exit_actor() was called outside of an actor: call it in an actor's method, or use kill() with a handle")
    actor.exit()
