"""What Ray has and mobula has not: the names, and what to use instead.

Owns the words only. Three places ask: attributes of the package, attributes of `ray` under that name (`mobula.as_ray`), and
imports of its submodules. Nothing missing is ever a silent no-op.
"""

from __future__ import annotations

_CLUSTER = "mobula runs on one machine without Ray's cluster processes"
_LIBRARY = "Ray's libraries are built on a cluster of Ray: install ray and run this part there"
_NO_LOGS = "workers write no log files: what they print comes to the driver, and an error has a worker's last lines"
_GO = "mobula runs Python functions and classes only"

#: Dotted name without "ray." -> why it is not there and what to do.
HINTS: dict[str, str] = {
    "ClientBuilder": f"{_CLUSTER}; call init() without an address",
    "client": f"{_CLUSTER}; call init() without an address",
    "client_builder": f"{_CLUSTER}; call init() without an address",
    "Language": _GO,
    "java_function": _GO,
    "java_actor_class": _GO,
    "cpp_function": _GO,
    "cross_language": _GO,
    "LoggingConfig": "set up `logging` in the program, and in workers by runtime_env's worker_process_setup_hook",
    "SCRIPT_MODE": "ask is_initialized() and get_runtime_context().worker.mode instead",
    "WORKER_MODE": "ask is_initialized() and get_runtime_context().worker.mode instead",
    "LOCAL_MODE": "Ray has given up local mode; init(num_cpus=1) runs one task after the other",
    "_config": "it is private to Ray; what can be set are arguments of init()",
    "_private": "it is private to Ray and about its own processes",
    "_raylet": "it is Ray's C++ core worker, which mobula has no need of; ids and refs are attributes of ray itself",
    "air": _LIBRARY,
    "data": _LIBRARY,
    "llm": _LIBRARY,
    "rllib": _LIBRARY,
    "serve": _LIBRARY,
    "train": _LIBRARY,
    "tune": _LIBRARY,
    "workflow": "Ray has given it up; call tasks with the refs of others as arguments",
    "dag": "graphs of calls are not built in; call tasks with the refs of others as arguments",
    "autoscaler": _CLUSTER,
    "cluster_utils": _CLUSTER,
    "dashboard": "there is no dashboard",
    "internal": "it is private to Ray and about its own processes",
    "job_submission": f"{_CLUSTER}; run the program itself",
    "job_config": "give runtime_env and namespace to init()",
    "scripts": "the command line is `mobula`",
    "widgets": "there is no dashboard",
    "experimental": "values travel by the object store, which is the only transport, and there is one machine",
    "experimental.get_object_locations": "there is one machine; util.state.list_objects() has sizes and owners",
    "experimental.get_local_object_locations": "there is one machine; util.state.list_objects() has sizes and owners",
    "experimental.set_resource": "what a session has is said once, by init(resources=)",
    "runtime_env.RuntimeEnv": "conda, containers, Java and profilers are refused when they are asked for (docs/runtime_env.md)",
    "util.state.get_log": _NO_LOGS,
    "util.state.list_logs": _NO_LOGS,
    "util.state.list_cluster_events": "there is no cluster; timeline() has what ran, and errors say what a process died of",
    "util.state.list_runtime_envs": "they are not listed; get_runtime_context().runtime_env is a task's own",
    "util.state.StateApiClient": "it speaks to Ray's dashboard; the functions of util.state ask the session itself",
    "util.client": f"{_CLUSTER}; call init() without an address",
    "util.connect": f"{_CLUSTER}; call init() without an address",
    "util.disconnect": "call shutdown()",
    "util.collective": "it needs NCCL or Gloo between machines; exchange arrays by refs, or use torch.distributed inside actors",
    "util.iter": "Ray has given it up; use generators, or ActorPool.map()",
    "util.pdb": "a worker has no terminal; print, log, or return what is asked",
    "util.rpdb": "a worker has no terminal; print, log, or return what is asked",
    "util.ray_debugpy": "a worker has no terminal; print, log, or return what is asked",
    "util.debugpy": "a worker has no terminal; print, log, or return what is asked",
    "util.spark": _LIBRARY,
    "util.tracing": "spans are not recorded",
}


def sentence(name: str, asked_of: str = "ray") -> str:
    """Why `asked_of.name` is not there, as one sentence that says what to do.

    `name` is dotted and without the package ("data", "util.collective"). A part of something missing gets its hint.

    >>> sentence("util.collective.allreduce").startswith("mobula has no ray.util.collective.allreduce: it needs NCCL")
    True
    >>> sentence("nonsense")
    'mobula has no ray.nonsense; docs/differences.md lists what is missing'
    """
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        hint = HINTS.get(".".join(parts[:length]))
        if hint is not None:
            return f"mobula has no {asked_of}.{name}: {hint}"
    return f"mobula has no {asked_of}.{name}; docs/differences.md lists what is missing"
