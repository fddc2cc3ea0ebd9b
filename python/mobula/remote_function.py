"""`RemoteFunction`: what `@remote` makes of a function.

Owns the submission of normal tasks: the check of the arguments, the export of the function, the task id and the refs. The
function is pickled at its first `.remote()` in a session, so globals are captured as they are then, and once: what changes
later is not seen. A redefinition is a new RemoteFunction with a new id, so in a notebook the last definition wins.
"""

from __future__ import annotations

import functools
import inspect
import os
import pickle
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, ParamSpec, TypeVar, cast, overload

from mobula import arguments, session
from mobula._core import ids
from mobula.options import check_task_options
from mobula.placement import Places
from mobula.returns import returns_of
from mobula.signatures import Fitting, shape_of
from mobula.task_spec import call_fields, resources, task_template

if TYPE_CHECKING:
    from mobula._core.process import Process
    from mobula.calls import Call
    from mobula.object_ref import ObjectRef

P = ParamSpec("P")
Out = TypeVar("Out", covariant=True)


class RemoteFunction(Generic[P, Out]):
    """A function whose calls run in worker processes.

    Made by `remote`; call it with `.remote(...)`, which returns a ref (a list of refs with `num_returns` above 1, None with
    0, an ObjectRefGenerator for a function that yields), or change options for some calls with `.options(...)`.

    >>> import mobula
    >>> @mobula.remote
    ... def double(x: int) -> int:
    ...     return 2 * x
    >>> mobula.get(double.remote(4))
    8
    """

    remote: Call[P, Out]

    def __init__(self, function: Callable[P, Any], options: Mapping[str, Any] | None = None) -> None:
        if inspect.iscoroutinefunction(function):
            raise ValueError(
                f"{function.__qualname__} is an 'async def', which a task cannot be: make it a method of an actor, or wrap it "
                "in a function that calls asyncio.run()"
            )
        self._function = function
        self._name: str = function.__name__
        self._module: str = getattr(function, "__module__", None) or "__main__"
        self._hash = os.urandom(16).hex()
        self._options = dict(options or {})
        self._is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
        check_task_options(self._options, in_options=False, is_generator=self._is_generator)
        if self._options.get("num_gpus") and self._options.get("max_calls") is None:
            self._options["max_calls"] = 1  # as Ray: libraries give GPU memory back only when their process ends
        self._exported: tuple[bytes, bytes] | None = None
        self._set_up()

    def _set_up(self) -> None:
        function = self._function
        self.__doc__ = function.__doc__
        self._id = ids.function_id(self._module, self._name, "", self._hash)
        self._fitting = Fitting(shape_of(function))
        self._process: Process | None = None
        self.remote = _caller(self, self._options)

    @overload
    def options(self, *, num_returns: None = ..., **task_options: Any) -> OptionedFunction[P, Out]: ...
    @overload
    def options(self, *, num_returns: Literal[0], **task_options: Any) -> OptionedFunction[P, None]: ...
    @overload
    def options(self, *, num_returns: Literal[1], **task_options: Any) -> OptionedFunction[P, ObjectRef[Any]]: ...
    @overload
    def options(self, *, num_returns: int, **task_options: Any) -> OptionedFunction[P, list[ObjectRef[Any]]]: ...
    @overload
    def options(self, *, num_returns: str, **task_options: Any) -> OptionedFunction[P, Any]: ...
    def options(self, **task_options: Any) -> OptionedFunction[P, Any]:
        """The same function with some options changed for the calls made through what this returns.

        Raises ValueError for an unknown option or a wrong value, TypeError for a wrong type, NotImplementedError for what
        mobula does not have yet.
        """
        per_yield = self._options.get("_num_objects_per_yield")
        check_task_options(task_options, in_options=True, is_generator=self._is_generator, per_yield=per_yield)
        merged = {**self._options, **task_options}
        return OptionedFunction(self, merged)

    def bind(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: graphs of calls (Ray's DAG API) are not built into mobula."""
        raise NotImplementedError(f"{self._name}.bind(): graphs of calls are not built into mobula; use .remote()")

    def _remote(self, args: Any = None, kwargs: Any = None, **task_options: Any) -> Any:
        """Ray's old form of `.options(...).remote(...)`."""
        call = self.options(**task_options).remote if task_options else self.remote
        return call(*(args or ()), **(kwargs or {}))

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(
            f"Remote functions cannot be called directly. Instead of running '{self._module}.{self._name}()', "
            f"try '{self._module}.{self._name}.remote()'."
        )

    def __repr__(self) -> str:
        return f"<remote function {self._module}.{self._name}>"

    def __getstate__(self) -> dict[str, Any]:
        return {
            "function": self._function,
            "name": self._name,
            "module": self._module,
            "hash": self._hash,
            "options": self._options,
            "is_generator": self._is_generator,
            "exported": self._exported,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, "_" + name, value)
        self._set_up()

    # ------------------------------------------------------------------------------------------ export

    def _attach(self, process: Process) -> None:
        """Sees that the session knows the function. Raises TypeError when it cannot be pickled, each time anew."""
        session_key = (process.node_id, process.job_id)
        if self._exported != session_key:
            # Set first: the pickle may contain this object (a function that calls itself), and who loads that copy must
            # not export what it captured over there.
            before = self._exported
            try:
                self._exported = session_key
                value = export_bytes(
                    "function",
                    self._function,
                    f"{self._module}.{self._name}",
                    {
                        "job_id": process.job_id,
                        "function_id": self._id,
                        "function_name": self._name,
                        "module": self._module,
                        "collision_identifier": self._hash,
                        "max_calls": self._options.get("max_calls") or 0,
                    },
                )
                key = b"RemoteFunction:" + process.job_id.hex().encode() + b":" + self._id
                process.export("fun", key, value, (self._module, "", self._name, self._hash))
            except BaseException:
                self._exported = before
                raise
        self._process = process


class OptionedFunction(Generic[P, Out]):
    """A remote function with options of its own: what `RemoteFunction.options(...)` returns."""

    remote: Call[P, Out]

    def __init__(self, function: RemoteFunction[P, Out], options: dict[str, Any]) -> None:
        self._function = function
        self._options = options
        self.remote = _caller(function, options)

    def bind(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused, as RemoteFunction.bind is."""
        self._function.bind()

    def __reduce__(self) -> tuple[Any, ...]:
        return OptionedFunction, (self._function, self._options)


def export_bytes(kind: str, code: Any, name: str, table: dict[str, Any]) -> bytes:
    """A pickle of Ray's dictionary for one function or class. TypeError when its code, or what it refers to, cannot be pickled."""
    from mobula.serialization import dumps

    try:
        table[kind] = dumps(code)
    except (TypeError, pickle.PicklingError) as error:
        raise TypeError(
            f"Could not serialize the {kind} {name}: {error}. Something that it refers to (a global or a variable of an outer "
            "function) cannot be pickled: make it inside, or pass it as an argument"
        ) from error
    return pickle.dumps(table)


def _caller(self: RemoteFunction[P, Out], options: Mapping[str, Any]) -> Call[P, Out]:
    """The `.remote` of one function with one set of options. A closure, so that the hot path looks nothing up twice."""
    backpressure = options.get("_generator_backpressure_num_objects")
    returns = returns_of(
        options.get("num_returns"), backpressure, options.get("_num_objects_per_yield"), is_generator=self._is_generator
    )
    handles = returns.handles
    counted = returns.counted
    single = returns.single
    check = self._fitting.check
    name = f"{self._module}.{self._name}"
    template = b""
    needs = resources(options, default_cpus=1)
    places = Places(options, (needs, needs), self._name)

    def remote(*args: Any, **kwargs: Any) -> Any:
        nonlocal template
        check(args, kwargs)
        process = session.process()
        if process is not self._process or not template:
            self._attach(process)
            template = task_template(options, name=self._name, function_id=self._id, returns=returns)
        if args or kwargs:
            place = places.fields()
            fields, keep = arguments.encode(process, args, kwargs, name)
        else:
            place = places.fields()
            fields, keep = b"", None
        task_id = process.new_task_id(None)
        made = handles(process, task_id)
        spec = call_fields(process, task_id) + template + place + fields
        if single:
            process.submit_one(spec, made._id)
        else:
            process.submit_encoded(spec)
        del keep
        counted(made)
        return made

    return cast("Call[P, Out]", functools.wraps(self._function)(remote))
