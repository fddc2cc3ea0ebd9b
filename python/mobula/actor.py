"""`ActorClass`: what `@remote` makes of a class; and `exit_actor`.

Owns the creation of actors: the check of the constructor's arguments, the export of the class, names and namespaces, and what
an actor holds. Handles and method calls are in actor_handle.py.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, cast

from mobula import arguments, runtime_env, session
from mobula._core import ids
from mobula.actor_handle import ActorHandle, ActorMethod, ActorProxy, handle_bytes, requested, stock_of_session
from mobula.class_description import Description, decode, describe
from mobula.method import method
from mobula.options import check_actor_options
from mobula.placement import Places
from mobula.remote_function import export_bytes
from mobula.strategies import spec_fields
from mobula.task_spec import call_fields, resource_list, resources, retries

if TYPE_CHECKING:
    from mobula._core.process import Process

__all__ = ["ActorClass", "ActorClassInheritanceException", "ActorHandle", "ActorMethod", "ActorProxy", "exit_actor", "method"]

T = TypeVar("T")

ASYNC_CONCURRENCY = 1000  # of an async actor that asks for nothing, as in Ray


class ActorClassInheritanceException(TypeError):
    """A class was derived from an actor class. Derive from the plain class, and make the result an actor class."""


class ActorClass(Generic[T]):
    """A class whose instances live in worker processes.

    Made by `remote`; `.remote(...)` creates an actor and returns its handle at once, before `__init__` has run;
    `.options(...)` changes options for one creation.

    >>> import mobula
    >>> @mobula.remote
    ... class Counter:
    ...     def __init__(self) -> None:
    ...         self.value = 0
    ...     def add(self, n: int) -> int:
    ...         self.value += n
    ...         return self.value
    >>> counter = Counter.remote()
    >>> mobula.get(counter.add.remote(2))
    2
    """

    def __init__(self, cls: type[T], options: Mapping[str, Any] | None = None) -> None:
        self._class = cls
        self._options = dict(options or {})
        check_actor_options(self._options, in_options=False)
        self._hash = os.urandom(16).hex()
        self._exported: tuple[bytes, bytes] | None = None
        self._set_up(describe(cls))

    def _set_up(self, description: Description) -> None:
        cls = self._class
        self.__doc__ = cls.__doc__
        self.__module__ = cls.__module__
        self.__qualname__ = cls.__qualname__
        self._description = description
        self._id = ids.function_id(cls.__module__, "__init__", cls.__name__, self._hash)

    def remote(self, /, *args: Any, **kwargs: Any) -> ActorProxy[T]:
        """Creates an actor and returns its handle; the constructor runs in a worker.

        Raises TypeError when the arguments do not fit the constructor or cannot be pickled, ActorAlreadyExistsError (a
        ValueError) when the name is taken.
        """
        return self._create(self._options, args, kwargs)

    def options(self, **actor_options: Any) -> OptionedClass[T]:
        """The same class with some options changed for the actors created through what this returns.

        Raises ValueError for an unknown option or a wrong value, TypeError for a wrong type, NotImplementedError for what
        mobula does not have yet.
        """
        check_actor_options(actor_options, in_options=True)
        return OptionedClass(self, {**self._options, **actor_options})

    def bind(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: graphs of calls (Ray's DAG API) are not built into mobula."""
        raise NotImplementedError(f"{self.__qualname__}.bind(): graphs of calls are not built into mobula; use .remote()")

    def _remote(self, args: Any = None, kwargs: Any = None, **actor_options: Any) -> ActorProxy[T]:
        """Ray's old form of `.options(...).remote(...)`."""
        check_actor_options(actor_options, in_options=True)
        return self._create({**self._options, **actor_options}, tuple(args or ()), dict(kwargs or {}))

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        name = self._class.__name__
        raise TypeError(f"Actors cannot be instantiated directly. Instead of '{name}()', use '{name}.remote()'.")

    def __mro_entries__(self, bases: tuple[Any, ...]) -> NoReturn:
        raise ActorClassInheritanceException(
            f"{self.__qualname__} is an actor class, and no class can be derived from one: derive from the plain class, "
            "then make the result an actor class with remote()"
        )

    def __getattr__(self, name: str) -> Any:
        # Class attributes and plain functions of the class, as Ray has them. `_class` itself is missing while unpickling.
        if name.startswith("__") or name == "_class":
            raise AttributeError(name)
        return getattr(self._class, name)

    def __repr__(self) -> str:
        return f"<actor class {self.__module__}.{self.__qualname__}>"

    def __getstate__(self) -> dict[str, Any]:
        return {
            "class": self._class,
            "options": self._options,
            "hash": self._hash,
            "exported": self._exported,
            "description": self._description.encode(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._class = state["class"]
        self._options = state["options"]
        self._hash = state["hash"]
        self._exported = state["exported"]
        self._set_up(decode(state["description"]))

    # ------------------------------------------------------------------------------------------ creation

    def _create(self, options: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> ActorProxy[T]:
        self._description.fitting("__init__").check(args, kwargs)
        creation = Creation(self._description, options)
        process = session.process()
        self._attach(process)
        name = f"{self._class.__module__}.{self._class.__name__}"
        fields, keep = arguments.encode(process, args, kwargs, name)
        actor_id = process.new_actor_id()
        spec = (
            call_fields(process, ids.actor_creation_task_id(actor_id))
            + creation.encode(process, self._id, actor_id, self._hash)
            + fields
        )
        handle = _submit(process, spec, actor_id, creation)
        del keep
        return cast("ActorProxy[T]", handle)

    def _attach(self, process: Process) -> None:
        """Sees that the session knows the class; the same rules as for functions."""
        session_key = (process.node_id, process.job_id)
        if self._exported == session_key:
            return
        before = self._exported
        cls = self._class
        try:
            self._exported = session_key
            value = export_bytes(
                "class",
                exported_class(cls),
                f"{cls.__module__}.{cls.__qualname__}",
                {
                    "class_name": cls.__name__,
                    "module": cls.__module__,
                    "job_id": process.job_id,
                    "collision_identifier": self._hash,
                    "actor_method_names": _json(sorted(self._description.methods)),
                },
            )
            key = b"ActorClass:" + process.job_id.hex().encode() + b":" + self._id
            process.export("fun", key, value, (cls.__module__, cls.__name__, "__init__", self._hash))
        except BaseException:
            self._exported = before
            raise


class OptionedClass(Generic[T]):
    """An actor class with options of its own: what `ActorClass.options(...)` returns."""

    def __init__(self, actor_class: ActorClass[T], options: dict[str, Any]) -> None:
        self._actor_class = actor_class
        self._options = options

    def remote(self, /, *args: Any, **kwargs: Any) -> ActorProxy[T]:
        """Creates an actor, as ActorClass.remote does."""
        return self._actor_class._create(self._options, args, kwargs)

    def bind(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused, as ActorClass.bind is."""
        self._actor_class.bind()


class Creation:
    """The options of one creation, read and checked against each other and against the class."""

    def __init__(self, description: Description, options: Mapping[str, Any]) -> None:
        self.options = options
        self.groups: dict[str, int] = dict(options.get("concurrency_groups") or {})
        for name, one in description.methods.items():
            if one.concurrency_group and one.concurrency_group not in self.groups:
                raise ValueError(
                    f"{description.class_name}.{name} is in concurrency group {one.concurrency_group!r}, which the class "
                    f"does not have: add it to @remote(concurrency_groups={{...}}), which has {sorted(self.groups)}"
                )
        self.concurrency: int = options.get("max_concurrency") or (ASYNC_CONCURRENCY if description.is_async else 1)
        many = description.is_async or self.concurrency > 1
        out_of_order = options.get("allow_out_of_order_execution")
        if many and out_of_order is False:
            raise ValueError(
                "allow_out_of_order_execution=False needs an actor that runs one method at a time: threaded and async "
                "actors start calls as their arguments arrive"
            )
        self.out_of_order = many if out_of_order is None else bool(out_of_order)
        self.name: str = options.get("name") or ""
        self.get_if_exists = bool(options.get("get_if_exists"))
        pending = options.get("max_pending_calls")
        self.description = description.with_options(
            max_task_retries=retries(options, keyword="max_task_retries", default=0),
            max_pending_calls=pending or -1,
            groups=tuple(self.groups),
            events=options.get("enable_task_events") is not False,
            stream_limit=max(options.get("_actor_generator_backpressure_num_objects") or 0, 0),
        )

    def encode(self, process: Process, function_id: bytes, actor_id: bytes, digest: str) -> bytes:
        """The creation's TaskSpec without ids of the call and arguments."""
        from mobula._core.pb import boundary_pb2 as pb

        options, description = self.options, self.description
        held, placed = actor_resources(options)
        place = Places(options, (held, placed), description.class_name).fields()
        spec = pb.TaskSpec(
            type=pb.ACTOR_CREATION_TASK,
            name=f"{description.class_name}.__init__",
            function_id=function_id,
            actor_id=actor_id,
            resources=resource_list(held),
            depth=1,
            runtime_env=runtime_env.encode(options.get("runtime_env")),
            **spec_fields(options),
            no_events=not description.events,
            actor=pb.ActorCreation(
                max_restarts=retries(options, keyword="max_restarts", default=0),
                max_concurrency=self.concurrency,
                is_asyncio=description.is_async,
                groups=[pb.ConcurrencyGroup(name=name, max_concurrency=size) for name, size in self.groups.items()],
                name=self.name,
                namespace=options.get("namespace") or process.namespace,
                detached=options.get("lifetime") == "detached",
                max_pending_calls=description.max_pending_calls,
                handle=handle_bytes(process, self, actor_id, digest),
                class_name=description.class_name,
                placement_resources=resource_list(placed),
                out_of_order=self.out_of_order,
            ),
        )
        return spec.SerializeToString() + place


def actor_resources(options: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, float]]:
    """What an actor holds while it lives, and what it needs to be placed (Ray's rule).

    An actor that names no resource but memory holds no CPU and needs one to be placed; any other holds what it names, and
    one CPU unless it says num_cpus.
    """
    plain = options.get("num_cpus") is None and not (resources(options, default_cpus=0).keys() - _MEMORY)
    held = resources(options, default_cpus=0 if plain else 1)
    return held, {**held, "CPU": 1.0} if plain else held


def exported_class(cls: type) -> Any:
    """What the function table holds of a class: itself, and for a cluster's workers what they make of it."""
    stock = stock_of_session()
    return cls if stock is None else stock.actor_class(cls)


_MEMORY = {"memory", "object_store_memory"}


def _submit(process: Process, spec: bytes, actor_id: bytes, creation: Creation) -> ActorHandle[Any]:
    from mobula._core.pb import boundary_pb2 as pb

    if creation.name:
        asked = pb.RegisterActor(spec=pb.TaskSpec.FromString(spec), get_if_exists=creation.get_if_exists)
        return requested(process, pb.Request(register_actor=asked), creation.description)
    handle = ActorHandle._called(actor_id, creation.description)
    # With the count in the process's own order: the core never sees this actor without its first handle once a handle
    # could have been passed on.
    process.submit_encoded(spec, pb.Mutation(actor_handles=pb.ActorHandles(added=actor_id)).SerializeToString())
    handle._counted()
    return handle


def _json(names: list[str]) -> str:
    import json

    return json.dumps(names)


def exit_actor() -> None:
    """Ends the current actor from inside one of its methods; does not return.

    The call fails with ActorDiedError at its caller, methods that run come to their end, and the actor is not restarted.
    Raises TypeError outside of an actor. Ray: `ray.actor.exit_actor`.
    """
    # A driver never loads the worker's modules, so where they are not loaded there is no actor.
    worker = sys.modules.get("mobula._worker.actor")
    if worker is None:
        raise TypeError("exit_actor() was called outside of an actor: call it in an actor's method, or use kill() with a handle")
    worker.exit_actor()
