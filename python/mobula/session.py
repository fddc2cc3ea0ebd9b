"""The session of this process: started by `init` or by first use, ended by `shutdown` or with the interpreter.

Owns the one session a process may have and its start and end; two threads that use mobula first at the same moment start one
session. It refuses to talk to the core: `_core.launch` starts it, `_core.process` speaks to it.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from mobula.object_ref import ObjectRef
from mobula.resources import NODE_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Callable

    from mobula._core.guest import Guest
    from mobula._core.launch import Core
    from mobula._core.process import Process
    from mobula.context import RayContext
    from mobula.init_options import Settings

_JOIN_PATIENCE_S = 90.0
#: How long a driver of a cluster that ends waits for what its workers printed last, as Ray's does.
_LAST_LINES_S = 0.5

_lock = threading.RLock()
_module: Any = None  # mobula._core.process, once it is needed: protobuf takes longer to import than everything else
_started: Started | None = None


class Started:
    """A session that this process is a driver of: it has begun it, or joined it."""

    def __init__(self, process: Process, settings: Settings, session_dir: str, socket_path: str) -> None:
        self.process = process
        self.settings = settings
        self.session_dir = session_dir
        #: What goes with the session: nothing where this process has joined another's.
        self.own_dir = "" if settings.session else session_dir
        self.socket_path = socket_path
        self.pid = os.getpid()


def process() -> Process:
    """The attachment of this process to its session; starts one like `init()` where there is none.

    Raises RuntimeError in a child forked from a process that is attached.
    """
    found: Process = (_module or _load()).require()
    return found


def current() -> Process | None:
    """The attachment of this process, or None."""
    if _module is None and "mobula._core.process" not in sys.modules:
        return None
    found: Process | None = (_module or _load()).current()
    return found


def started() -> Started | None:
    """What this process started itself; None in workers and where nothing runs."""
    mine = _started
    return mine if mine is not None and current() is mine.process else None


def is_initialized() -> bool:
    """Whether a session runs in this process. True in tasks and actors.

    >>> import mobula
    >>> mobula.is_initialized()
    False
    """
    return current() is not None


def _load() -> Any:
    global _module
    from mobula._core import process as module

    module.set_auto_init(_start_for_first_use)
    _module = module
    return module


def _start_for_first_use() -> None:
    from mobula import init_options

    if not init_options.auto_connect():
        from mobula.exceptions import RaySystemError

        raise RaySystemError("mobula has not been started, and RAY_ENABLE_AUTO_CONNECT=0 forbids to do it here: call mobula.init()")
    with _lock:
        if not is_initialized():
            init()


def init(
    address: str | None = None,
    *,
    num_cpus: float | None = None,
    num_gpus: float | None = None,
    resources: dict[str, float] | None = None,
    labels: dict[str, str] | None = None,
    object_store_memory: int | None = None,
    local_mode: bool = False,
    ignore_reinit_error: bool = False,
    include_dashboard: bool | None = None,
    dashboard_host: str = "127.0.0.1",
    dashboard_port: int | None = None,
    job_config: Any = None,
    configure_logging: bool = True,
    logging_level: int | str = "info",
    logging_format: str | None = None,
    logging_config: Any = None,
    log_to_driver: bool | None = None,
    namespace: str | None = None,
    runtime_env: dict[str, Any] | None = None,
    enable_resource_isolation: bool = False,
    cgroup_path: str | None = None,
    system_reserved_cpu: float | None = None,
    system_reserved_memory: int | None = None,
    proxy_server_url: str | None = None,
    **kwargs: Any,
) -> RayContext:
    """Starts a session on this machine: the core, its shared memory and its workers, all gone when this process ends.

    `num_cpus` defaults to what affinity and cgroup allow, `object_store_memory` (bytes) to 30 % of the free memory. The other
    keywords are Ray's; those that ask for something mobula does not have raise NotImplementedError. Calling it is optional:
    the first use of the API does it with defaults.

    Raises RuntimeError when a session runs already (unless `ignore_reinit_error`) or for an unknown keyword, TypeError and
    ValueError for wrong values, and CoreStartError, which says why, when the core cannot be started.

    >>> import mobula
    >>> with mobula.init(num_cpus=2) as context:
    ...     mobula.cluster_resources()["CPU"]
    2.0
    """
    given = dict(locals())
    private = given.pop("kwargs")
    from mobula import init_options  # here: zygotes and workers start nothing

    with _lock:
        if is_initialized():
            if not ignore_reinit_error:
                raise RuntimeError(
                    "Maybe you called mobula.init twice by accident? This error can be suppressed by passing in "
                    "'ignore_reinit_error=True' or by calling 'mobula.shutdown()' prior to 'mobula.init()'."
                )
            import logging

            logging.getLogger("mobula").info("mobula.init() was called again; the session that runs stays as it is")
            return _context()
        _start(init_options.read(given, private))
        return _context()


def _start(settings: Settings) -> None:
    from mobula import runtime_env as environments
    from mobula._core import launch

    if settings.address:
        _join(settings)
        return
    if settings.session:
        _join_session(settings)
        return
    environment: dict[str, Any] = {}

    def prepare(session_dir: str) -> dict[str, Any]:
        environment.update(environments.of_session(settings.runtime_env, session_dir))
        return environments.worker_options(environment)

    config = launch.LaunchConfig(
        resources=settings.total,
        object_store_bytes=settings.store_bytes,
        namespace=settings.namespace,
        log_to_driver=settings.log_to_driver,
        temp_dir=settings.temp_dir,
        spill_dir=settings.spill_dir,
        options={"labels": settings.labels, "node_name": settings.node_name},
        prepare=prepare if settings.runtime_env else None,
    )
    _begin(settings, lambda undo: launch.start(config, undo, meanwhile=_load), environment)


def _begin(
    settings: Settings,
    start: Callable[[contextlib.ExitStack], Core | Guest],
    environment: dict[str, Any],
    own: bytes = b"",
    enter: Callable[[Core | Guest, contextlib.ExitStack], None] = lambda core, undo: None,
) -> None:
    """Starts or joins a core, and attaches to it; `enter` is called in between. Whole or not at all, wherever a Ctrl-C comes."""
    from mobula._core import inherited

    with contextlib.ExitStack() as undo:
        core = start(undo)
        enter(core, undo)
        module = _module or _load()
        undo.callback(_has_not_started, module)
        attached = module.Process.attach_driver(
            core, namespace=settings.namespace, job_id=core.job_id, outlived=bool(settings.session)
        )
        inherited.of_session(environment, own)
        _has_started(Started(attached, settings, core.session_dir, core.socket_path))
        undo.pop_all()


def _has_started(mine: Started) -> None:
    global _started
    _started = mine
    atexit.unregister(_at_exit)
    atexit.register(_at_exit)


def _has_not_started(module: Any) -> None:
    global _started
    _started = None
    attached = module.current()
    if attached is not None:
        attached.close()


def _join(settings: Settings) -> None:
    """Makes this process a driver of a Ray cluster."""
    from mobula._core import joining, launch
    from mobula._values import stock

    def enter(core: Core | Guest, undo: contextlib.ExitStack) -> None:
        undo.callback(stock.leave)
        stock.enter(core.address)

    own = json.dumps(settings.runtime_env, sort_keys=True) if settings.runtime_env else ""
    config = launch.LaunchConfig(
        object_store_bytes=settings.store_bytes,
        namespace=settings.namespace,
        log_to_driver=settings.log_to_driver,
        options={"cluster": joining.options(), "session_env": own},
        address=settings.address,
        timeout_s=_JOIN_PATIENCE_S,
    )
    # Every call carries all of the environment: the nodes know no session.
    _begin(settings, lambda undo: launch.start(config, undo, meanwhile=_load), {}, own.encode(), enter)


def _join_session(settings: Settings) -> None:
    """Makes this process a further driver of a session on this machine."""
    from mobula import runtime_env as environments
    from mobula._core import guest, launch

    guest.check(settings.session)  # before anything is copied there
    environment: dict[str, Any] = {}
    more: dict[str, Any] = {}
    if settings.runtime_env:
        environment.update(environments.of_session(settings.runtime_env, settings.session))
        more.update(environments.worker_options(environment))
    config = launch.LaunchConfig(namespace=settings.namespace, log_to_driver=settings.log_to_driver, job_id=b"", options=more)
    options = launch.worker_options(config)
    _begin(settings, lambda undo: guest.join(settings.session, options, shows=settings.log_to_driver, owner=undo), environment)


def in_cluster() -> bool:
    """Whether this process is a driver of a Ray cluster."""
    mine = started()
    return mine is not None and bool(mine.settings.address)


def refuse_in_cluster(what: str) -> None:
    """NotImplementedError where the session is one in a Ray cluster, for what works on this machine alone so far."""
    mine = started()
    if mine is not None and mine.settings.address:
        raise NotImplementedError(
            f"{what} is not built into mobula for clusters yet (the session has joined {mine.settings.address})"
        )


def shutdown(*, wait_for_processes: bool = False, _exiting_interpreter: bool = False) -> None:
    """Ends the session: running tasks and actors are stopped, every process of it is gone when this returns.

    Does nothing where no session runs. Values that were got stay valid; refs do not. In a task or actor it does nothing
    either: a worker's attachment ends with its process.
    """
    global _started
    with _lock:
        mine = _started
        if mine is None or mine.pid != os.getpid():
            _started = None
            return
        from mobula import actor_handle, object_ref, runtime_context

        try:
            mine.process.close()
        finally:
            if mine.settings.address:
                from mobula._values import stock

                stock.leave()
            runtime_context.forget()
            object_ref._forget_pinned()
            actor_handle._forget_pinned()
            if not _exiting_interpreter:
                _forget_values()
        _started = None  # last: what an interrupt has left, the next call ends


def _forget_values() -> None:
    """Makes refs of the session that ended forget small values they have seen: a ref must not outlive its session.

    Looking for them here costs some 30 ms for a million objects, once; a stamp on every ref would cost every call.
    """
    for thing in gc.get_objects():
        if type(thing) is ObjectRef:
            thing._value = None


def _at_exit() -> None:
    from mobula.exceptions import RaySystemError

    hook = threading.excepthook

    def without_ours(what: threading.ExceptHookArgs) -> None:
        if not issubclass(what.exc_type, RaySystemError):
            hook(what)

    # Only daemon threads still run. One that waits in a get learns now that the session has ended, and the interpreter, which is
    # going, would print that; it aborts the process where it meets such a thread on stderr later on.
    threading.excepthook = without_ours
    if in_cluster() and (mine := started()) is not None and mine.settings.log_to_driver:
        time.sleep(_LAST_LINES_S)  # their nodes read them out of files now and then, and nobody says that there are no more
    shutdown(_exiting_interpreter=True)


def _context() -> RayContext:
    from mobula.context import RayContext

    return RayContext(address_info=address_info())


def address_info() -> dict[str, Any]:
    """What Ray's context tells of the session, as far as there is such a thing here."""
    attached = process()
    mine = started()
    address = gcs_address()
    return {
        "node_ip_address": NODE_ADDRESS,
        "redis_address": None,
        "object_store_address": None,
        "raylet_socket_name": None,
        "webui_url": "",
        "session_dir": mine.session_dir if mine is not None else None,
        "metrics_export_port": -1,
        "gcs_address": address,
        "address": address,
        "dashboard_agent_listen_port": -1,
        "node_id": attached.node_id.hex(),
    }


def gcs_address() -> str:
    """Where the session's core listens. There is no network port, only a socket that this user alone can reach."""
    return f"unix:{process().session.socket_path}"
