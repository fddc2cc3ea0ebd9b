"""The keywords of `init`: which there are, what they may be, and which ask for something that is not there.

Owns the check, in this order: keywords nobody knows (RuntimeError), values that are wrong (TypeError, ValueError), and values
that are right in Ray but ask for what mobula does not have yet (NotImplementedError, by name). Keywords that ask for nothing
are accepted. Also the few RAY_* variables that Ray's local init honours.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mobula import resources
from mobula.option_checks import amount_complaint
from mobula.runtime_env.checks import check_runtime_env

# Keywords that are Ray's own concern, and what each may be without asking for anything.
_PRIVATE = frozenset(
    (
        "_driver_object_store_memory",
        "_enable_object_reconstruction",
        "_memory",
        "_metrics_export_port",
        "_node_ip_address",
        "_node_name",
        "_object_spilling_directory",
        "_plasma_directory",
        "_redis_password",
        "_redis_username",
        "_skip_env_hook",
        "_system_config",
        "_temp_dir",
        "_tracing_startup_hook",
        "object_spilling_directory",
    )
)
_LOCAL_ADDRESSES = (None, "", "local")
_BUILT_IN = ("CPU", "GPU", "memory", "object_store_memory")


@dataclass(frozen=True)
class Settings:
    """What a session is started with."""

    total: dict[str, float]
    store_bytes: int
    namespace: str
    log_to_driver: bool
    temp_dir: str | None = None
    spill_dir: str | None = None
    runtime_env: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    node_name: str = ""
    address: str = ""  # of the cluster to join; "": none
    session: str = ""  # folder of the session on this machine to join; "": none


def read(given: Mapping[str, Any], private: Mapping[str, Any]) -> Settings:
    """Checks what `init` was given and fills in defaults. Raises before anything is started."""
    _check_known(given, private)
    address, session = _address(given["address"], private)
    if address:
        _refuse_for_cluster(given, private)
    elif session:
        _refuse_what_nodes_have(given, private, "the session that is joined has its own")
    namespace = _namespace(given["namespace"])
    labels = _labels(given["labels"])
    env = given["runtime_env"]
    if env is not None and not isinstance(env, dict):
        raise TypeError(f"init(runtime_env=): takes a dict, not {env!r}")
    check_runtime_env(env)
    _refuse_missing(given, private)
    from mobula._core.dedup import Rules  # here: `import mobula` pays for nothing that a session alone needs

    Rules.from_environment()  # wrong ones are said here, not when the first line comes
    level = given["logging_level"]
    if given["configure_logging"]:
        import logging

        logging.getLogger("mobula").setLevel(level.upper() if isinstance(level, str) else level)
    available = resources.available_memory()
    store = _store_bytes(given["object_store_memory"], available)
    memory = private.get("_memory")
    return Settings(
        total=resources.node_resources(
            num_cpus=_quantity("num_cpus", given["num_cpus"], resources.default_cpus),
            num_gpus=_gpus(given["num_gpus"]),
            custom=_custom(given["resources"]),
            memory=int(_quantity("_memory", memory, lambda: max(available - store, 0))),
            store_bytes=store,
        ),
        store_bytes=store,
        namespace=namespace,
        log_to_driver=_flag("RAY_LOG_TO_DRIVER", True) if given["log_to_driver"] is None else bool(given["log_to_driver"]),
        temp_dir=private.get("_temp_dir") or os.environ.get("RAY_TMPDIR") or None,
        spill_dir=_spill_dir(private.get("object_spilling_directory") or private.get("_object_spilling_directory")),
        runtime_env=dict(env or {}),
        labels=labels,
        node_name=private.get("_node_name") or "",
        address=address,
        session=session,
    )


def _gpus(given: Any) -> float:
    count, visible = _quantity("num_gpus", given, resources.default_gpus), resources.visible_gpus()
    if visible is not None and count > len(visible):
        raise ValueError(
            f"init(num_gpus={count:g}) is more than CUDA_VISIBLE_DEVICES={','.join(visible)!r} names: every GPU needs a name there"
        )
    return count


def auto_connect() -> bool:
    """Whether the first call may start a session; RAY_ENABLE_AUTO_CONNECT=0 forbids it, as in Ray."""
    return _flag("RAY_ENABLE_AUTO_CONNECT", True)


def check_namespace(namespace: str | None) -> None:
    """TypeError or ValueError when this is no name of a namespace; None stands for the current one."""
    if namespace is not None and not isinstance(namespace, str):
        raise TypeError(f"namespace must be None or a string, not {namespace!r}")
    if namespace == "":
        raise ValueError('"" is not a valid namespace: give None for the default')


def _flag(name: str, default: bool) -> bool:
    value = os.environ.get(name)
    return default if not value else value.strip().lower() in ("1", "true", "yes")


def _check_known(given: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    unknown = sorted(set(private) - _PRIVATE)
    if unknown:
        raise RuntimeError(f"Unknown keyword argument(s): {', '.join(unknown)}. init() takes {', '.join(given)}")
    if given["local_mode"]:
        raise RuntimeError("init(local_mode=True) is not supported (Ray has removed it too): call the plain functions instead")
    config = private.get("_system_config")
    if config is not None and not isinstance(config, dict):
        raise TypeError(f"init(_system_config=): takes a dict, not {config!r}")


def _address(address: Any, private: Mapping[str, Any]) -> tuple[str, str]:
    """The cluster to join, as host:port, and the folder of the session on this machine to join: one of them at most."""
    source = "init(address=)"
    if address is None and os.environ.get("RAY_ADDRESS"):
        address, source = os.environ["RAY_ADDRESS"], "the environment variable RAY_ADDRESS"
    if address is not None and not isinstance(address, str):
        raise TypeError(f"{source}: takes None, 'local', 'auto', host:port or the address of a session, not {address!r}")
    if address in _LOCAL_ADDRESSES:
        return "", ""
    from mobula._core import guest, joining  # here: who begins a session needs nothing of them

    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or address
    if folder := guest.folder_of(address):
        return "", folder
    return joining.address_of(address, source, private.get("_temp_dir")), ""


def _refuse_for_cluster(given: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    """What belongs to the start of nodes, and what is not built for clusters."""
    _refuse_what_nodes_have(given, private, "a cluster's nodes are there already")
    env = given["runtime_env"]
    if isinstance(env, Mapping):
        refuse_environment(env)


def _refuse_what_nodes_have(given: Mapping[str, Any], private: Mapping[str, Any], but: str) -> None:
    for keyword in ("num_cpus", "num_gpus", "resources", "labels", "object_store_memory"):
        if given[keyword] is not None:
            raise ValueError(f"init({keyword}=) says what a node has, and {but}: leave it out with address=")
    for keyword in ("_memory", "_node_name", "_object_spilling_directory"):
        if private.get(keyword) is not None:
            raise ValueError(f"init({keyword}=) says what a node has, and {but}: leave it out with address=")


#: Keys of a runtime_env that a cluster's nodes set up by themselves, from what is written in them.
_OF_NODES = ("config", "env_vars", "py_executable")


def refuse_environment(env: Mapping[str, Any]) -> None:
    """NotImplementedError for what would have to be brought to a cluster's nodes first, or written in Ray's own form."""
    for key, value in env.items():
        if value and key not in _OF_NODES:
            raise NotImplementedError(
                f"runtime_env[{key!r}] is not built into mobula for clusters yet, where {', '.join(_OF_NODES)} are: install what "
                "the code needs on the nodes, or set it in the environment that they were started with"
            )


def _namespace(namespace: Any) -> str:
    check_namespace(namespace)
    named = namespace or os.environ.get("RAY_NAMESPACE")
    if named:
        return named
    # A random UUID, as in Ray. By hand: the module takes longer to import than anything else before the core is started.
    digits = ((int.from_bytes(os.urandom(16), "big") & ~(0xF << 76 | 0x3 << 62)) | 0x4 << 76 | 0x2 << 62).to_bytes(16, "big").hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _labels(labels: Any) -> dict[str, str]:
    for name, value in _mapping("labels", labels).items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"init(labels=): takes a dict of str to str, but it has {name!r}: {value!r}")
    return dict(labels or {})


def _mapping(keyword: str, value: Any) -> dict[Any, Any]:
    if value is not None and not isinstance(value, dict):
        raise TypeError(f"init({keyword}=): takes a dict, not {value!r}")
    return value or {}


def _quantity(keyword: str, value: Any, default: Any) -> float:
    if value is None:
        return float(default())
    if not isinstance(value, (int, float)):
        raise TypeError(f"init({keyword}=): takes a number, not {value!r}")
    sentence = amount_complaint(value)
    if sentence:
        raise ValueError(f"init({keyword}=): {sentence}")
    return float(value)


def _custom(custom: Any) -> dict[str, float]:
    out: dict[str, float] = {}
    for name, value in _mapping("resources", custom).items():
        if not isinstance(name, str):
            raise TypeError(f"init(resources=): a resource's name is a str, not {name!r}")
        if name in _BUILT_IN:
            use = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "_memory"}.get(name, name)
            raise ValueError(f"init(resources=): {name} is not a custom resource, use init({use}=)")
        out[name] = _quantity(f"resources[{name!r}]", value, float)
    return out


def _store_bytes(value: Any, available: int) -> int:
    if value is None:
        return resources.default_store_bytes(available)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"init(object_store_memory=): takes a number of bytes, not {value!r}")
    if value < resources.STORE_LEAST:
        raise ValueError(f"init(object_store_memory=): {value} bytes are too few, the least is {resources.STORE_LEAST} (75 MiB)")
    return int(value)


def _spill_dir(value: Any) -> str | None:
    if value is not None and not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"init(object_spilling_directory=): takes the path of a folder, not {value!r}")
    return os.path.abspath(os.fspath(value)) if value else None


def _refuse_missing(given: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    asked: list[tuple[str, bool, str]] = [
        ("include_dashboard", bool(given["include_dashboard"]), "a dashboard"),
        ("dashboard_port", given["dashboard_port"] is not None, "a dashboard"),
        ("job_config", given["job_config"] is not None, "the configuration of jobs"),
        ("logging_config", given["logging_config"] is not None, "structured logging"),
        ("enable_resource_isolation", bool(given["enable_resource_isolation"]), "cgroups of its own"),
        ("cgroup_path", given["cgroup_path"] is not None, "cgroups of its own"),
        ("system_reserved_cpu", given["system_reserved_cpu"] is not None, "cgroups of its own"),
        ("system_reserved_memory", given["system_reserved_memory"] is not None, "cgroups of its own"),
        ("proxy_server_url", given["proxy_server_url"] is not None, "a dashboard"),
        ("_system_config", bool(private.get("_system_config")), "the settings of Ray's own core"),
        ("_tracing_startup_hook", private.get("_tracing_startup_hook") is not None, "tracing"),
        ("_plasma_directory", private.get("_plasma_directory") is not None, "objects in files of a folder"),
        ("_node_ip_address", private.get("_node_ip_address") not in (None, "127.0.0.1", "localhost"), "listening on the network"),
    ]
    for keyword, wanted, what in asked:
        if wanted:
            raise NotImplementedError(f"init({keyword}=) asks for {what}, which is not built into mobula yet: leave it out")
