"""`Pool`: the standard library's process pool over actors.

Owns the actors and one thread for each, which takes the next chunk of work when its actor has finished the last: so a slow
chunk holds up nothing but itself, `maxtasksperchild` and dead processes are the business of one thread, and callbacks have a
place to run. What comes back is in results.py.
"""

from __future__ import annotations

import itertools
import queue
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from mobula import api, session
from mobula.exceptions import RayActorError
from mobula.object_ref import ObjectRef
from mobula.remote import remote
from mobula.util.multiprocessing.results import (
    AsyncResult,
    IMapIterator,
    OrderedIMapIterator,
    UnorderedIMapIterator,
)

__all__ = ["Pool"]

Callback = Callable[[Any], object]

#: What a function is called with: its positional arguments, and those by keyword.
Call = tuple[tuple[Any, ...], dict[str, Any]]

CHUNKS_PER_PROCESS = 4  # of a map that says nothing, as in the standard library


class _Runner:
    """The actor: one process of the pool."""

    def __init__(self, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> None:
        if initializer is not None:
            initializer(*initargs)

    def ready(self) -> None:
        """Returns when `__init__` has run."""

    def run(self, function: Callable[..., Any], calls: list[Call]) -> list[Any]:
        return [function(*args, **kwargs) for args, kwargs in calls]


class _Chunk:
    """Some calls of one function, and where their results go."""

    __slots__ = ("calls", "function", "index", "result")

    def __init__(self, result: AsyncResult | IMapIterator, index: int, function: Any, calls: list[Call]) -> None:
        self.result = result
        self.index = index
        self.function = function  # a ref where several chunks share it
        self.calls = calls


class _Staff:
    """Actors, threads and the chunks that wait. The threads keep this alive and not the Pool, which may be dropped."""

    def __init__(self, size: int, make: Callable[[], Any], lifetime: int | None) -> None:
        self.size = size
        self._make = make
        self._lifetime = lifetime
        self._work: queue.SimpleQueue[_Chunk | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._terminated = False
        self._session = session.process()
        self._actors: list[Any] = [make() for _ in range(size)]
        self._busy: list[_Chunk | None] = [None] * size
        self.threads: list[threading.Thread] = []
        try:
            api.get([actor.ready.remote() for actor in self._actors])
        except BaseException:
            self.terminate()
            raise

    def start(self) -> None:
        for slot in range(self.size):
            thread = threading.Thread(target=self._serve, args=(slot,), name=f"mobula-pool-{slot}", daemon=True)
            self.threads.append(thread)
            thread.start()

    def add(self, chunk: _Chunk) -> None:
        with self._lock:
            if not self._terminated:
                self._work.put(chunk)
                return
        chunk.result._failed(chunk.index, _terminated())  # an imap that is still read

    def finish(self) -> None:
        """Lets every thread end after the chunks that wait now."""
        for _ in range(self.size):
            self._work.put(None)

    def terminate(self) -> None:
        """Kills the actors. What was not finished fails, so that nobody waits for it."""
        with self._lock:
            if self._terminated:
                return
            self._terminated = True
            actors, self._actors = self._actors, []
            busy = [chunk for chunk in self._busy if chunk is not None]
        if session.current() is self._session:
            for actor in actors:
                api.kill(actor)
        for chunk in busy:
            chunk.result._failed(chunk.index, _terminated())
        while True:
            try:
                waiting = self._work.get_nowait()
            except queue.Empty:
                break
            if waiting is not None:
                waiting.result._failed(waiting.index, _terminated())
        self.finish()

    def _serve(self, slot: int) -> None:
        """One thread: takes a chunk, has its actor run it, files the result."""
        done = 0
        while (chunk := self._work.get()) is not None:
            try:
                if done and self._lifetime is not None and done >= self._lifetime:
                    self._replace(slot)
                    done = 0
                values = api.get(self._actor(slot, chunk).run.remote(chunk.function, chunk.calls))
                done += len(chunk.calls)
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is this chunk's outcome
                self._release(slot)
                done += len(chunk.calls)
                chunk.result._failed(chunk.index, error)
                if isinstance(error, RayActorError):
                    done = 0
                    self._replace(slot)
            else:
                self._release(slot)
                chunk.result._done(chunk.index, values)
            del chunk  # else its arguments and results live on until the next one comes

    def _actor(self, slot: int, chunk: _Chunk) -> Any:
        with self._lock:
            if self._ended():
                raise _terminated()
            self._busy[slot] = chunk
            return self._actors[slot]

    def _ended(self) -> bool:
        """Whether the pool or its session is over: a call now would start a session of its own."""
        return self._terminated or session.current() is not self._session

    def _release(self, slot: int) -> None:
        with self._lock:
            self._busy[slot] = None

    def _replace(self, slot: int) -> None:
        """A fresh process, for one that is used up or has died. One whose initializer raises fails the calls it gets."""
        with self._lock:
            if self._ended():
                return
            old, self._actors[slot] = self._actors[slot], self._make()
        api.kill(old)


def _terminated() -> RuntimeError:
    return RuntimeError("the pool was terminated before this call had finished")


class Pool:
    """A pool of processes with the interface of `multiprocessing.Pool`, each process an actor.

    `processes` is as many as the session has CPUs where it is not given; more raise ValueError. `initializer(*initargs)` runs
    in each process first, and its error is raised here. `maxtasksperchild` calls end a process and start another.
    `ray_remote_args` are options of the actors, which hold no CPU by default; `context` is ignored, `ray_address` goes to
    `init` where no session runs.

    Differs from Ray in what the standard library has: the callback of `map_async` gets the values in order, and an
    `error_callback` the exception itself. A process that dies fails its own calls and is replaced.

    >>> with Pool(2) as pool:
    ...     pool.map(abs, [-1, 2, -3])
    [1, 2, 3]
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] | None = None,
        maxtasksperchild: int | None = None,
        context: Any = None,
        ray_address: str | None = None,
        ray_remote_args: dict[str, Any] | None = None,
    ) -> None:
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer is a function, not {initializer!r}")
        if maxtasksperchild is not None and maxtasksperchild < 1:
            raise ValueError(f"maxtasksperchild takes None or a number from 1 on, not {maxtasksperchild!r}")
        if not session.is_initialized():
            session.init(ray_address)
        size = _size(processes)
        actors = remote(_Runner).options(**{"num_cpus": 0, **(ray_remote_args or {})})
        args = tuple(initargs or ())
        self._closed = False
        self._staff = _Staff(size, lambda: actors.remote(initializer, args), maxtasksperchild)
        self._staff.start()
        self._unfed: weakref.WeakSet[IMapIterator] = weakref.WeakSet()  # imaps whose items are not all submitted
        self._dropped = weakref.finalize(self, self._staff.finish)

    def apply(self, func: Callable[..., Any], args: Iterable[Any] | None = None, kwargs: dict[str, Any] | None = None) -> Any:
        """Calls a function in one of the processes and returns its value."""
        return self.apply_async(func, args, kwargs).get()

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ) -> AsyncResult:
        """As `apply`, without waiting."""
        self._check_open()
        result = AsyncResult(1, True, callback, error_callback)
        self._staff.add(_Chunk(result, 0, func, [(tuple(args or ()), dict(kwargs or {}))]))
        return result

    def map(self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int | None = None) -> list[Any]:
        """Calls a function with each item; the values in the order of the items. Raises the first error that came."""
        values: list[Any] = self.map_async(func, iterable, chunksize).get()
        return values

    def map_async(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ) -> AsyncResult:
        """As `map`, without waiting."""
        return self._map(func, [((item,), {}) for item in iterable], chunksize, callback, error_callback)

    def starmap(self, func: Callable[..., Any], iterable: Iterable[Iterable[Any]], chunksize: int | None = None) -> list[Any]:
        """As `map`, with each item the arguments of a call."""
        values: list[Any] = self._map(func, [(tuple(item), {}) for item in iterable], chunksize, None, None).get()
        return values

    def starmap_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ) -> AsyncResult:
        """As `starmap`, without waiting."""
        return self._map(func, [(tuple(item), {}) for item in iterable], None, callback, error_callback)

    def imap(self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int | None = 1) -> IMapIterator:
        """Calls a function with each item; the iterator gives the values in order, and draws items as it is read."""
        return self._imap(OrderedIMapIterator, func, iterable, chunksize)

    def imap_unordered(self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int | None = 1) -> IMapIterator:
        """As `imap`, with the values in the order in which they are ready."""
        return self._imap(UnorderedIMapIterator, func, iterable, chunksize)

    def close(self) -> None:
        """No more work is taken; what was given is done, that of an `imap` to its last item."""
        if self._closed:
            return
        for one in list(self._unfed):
            while one._feed():
                pass
        self._closed = True
        self._dropped()

    def terminate(self) -> None:
        """Ends the processes at once; what is not finished raises RuntimeError."""
        self._closed = True
        self._dropped.detach()
        self._staff.terminate()

    def join(self) -> None:
        """Waits until all work is done and the processes are gone. Raises ValueError unless the pool was closed before."""
        if not self._closed:
            raise ValueError("join() waits for a pool to end: close() or terminate() it first")
        for thread in self._staff.threads:
            thread.join()
        self._staff.terminate()

    def __enter__(self) -> Pool:  # noqa: PYI034 - Self is not in Python 3.10's typing
        self._check_open()
        return self

    def __exit__(self, *error: object) -> None:
        self.terminate()

    def __reduce__(self) -> NoReturn:
        raise NotImplementedError("a Pool cannot be passed to another process: make one there")

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("the pool was closed: it takes no more work")

    def _map(
        self,
        func: Callable[..., Any],
        calls: list[Call],
        chunksize: int | None,
        callback: Callback | None,
        error_callback: Callback | None,
    ) -> AsyncResult:
        self._check_open()
        size = _chunk_size(chunksize, -(-len(calls) // (self._staff.size * CHUNKS_PER_PROCESS)) or 1)
        chunks = [calls[start : start + size] for start in range(0, len(calls), size)]
        result = AsyncResult(len(chunks), False, callback, error_callback)
        function = _shared(func) if len(chunks) > 1 else func
        for index, part in enumerate(chunks):
            self._staff.add(_Chunk(result, index, function, part))
        return result

    def _imap(
        self,
        kind: type[OrderedIMapIterator | UnorderedIMapIterator],
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None,
    ) -> IMapIterator:
        self._check_open()
        size = _chunk_size(chunksize, 1)
        items = iter(iterable)
        function = _shared(func)
        staff = self._staff
        lock = threading.Lock()

        def more() -> bool:
            with lock:
                calls: list[Call] = [((item,), {}) for item in itertools.islice(items, size)]
                if not calls:
                    return False
                staff.add(_Chunk(results, results._submitted, function, calls))
                results._submitted += 1
                return True

        results: IMapIterator = kind(more)
        self._unfed.add(results)
        for _ in range(2 * staff.size):  # one under way and one waiting for each process
            if not results._feed():
                break
        return results


def _size(processes: int | None) -> int:
    cpus = int(api.cluster_resources().get("CPU", 0))
    if processes is None:
        return max(1, cpus)
    if processes < 1:
        raise ValueError(f"a pool has 1 process or more, not {processes!r}")
    if processes > cpus:
        raise ValueError(f"a pool of {processes} processes is more than the {cpus} CPUs of the session")
    return processes


def _chunk_size(given: int | None, default: int) -> int:
    if given is None:
        return default
    if given < 1:
        raise ValueError(f"chunksize takes a number from 1 on, not {given!r}")
    return given


def _shared(func: Callable[..., Any]) -> ObjectRef[Any]:
    """Stored once for all chunks, rather than pickled with each."""
    return api.put(func)
