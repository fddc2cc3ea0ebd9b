"""docs/api.md lists every name, option and keyword there is, and refuses what it calls refused; no name is silently absent."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mobula
from mobula import options

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
TABLES = {
    heading: [line for line in body.splitlines() if line.startswith("| `")]
    for heading, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
}


def listed(heading: str, column: int) -> dict[str, str]:
    """Name and what the page says of it in one column; without those that have nothing there."""
    found = {}
    for line in TABLES[heading]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[column]:
            found.update(dict.fromkeys(re.findall(r"`([^`]+)`", cells[0]), cells[column]))
    return found


def test_every_public_name_is_listed() -> None:
    names = listed("Names of the package", 1)
    there = {name for name, word in names.items() if word.startswith("works")}
    assert there == set(mobula.__all__) - {"__version__"}
    assert not [name for name in names.keys() - there if hasattr(mobula, name)]


@pytest.mark.parametrize(
    ("column", "known"),
    [(1, options.TASK_OPTIONS), (2, options.ACTOR_OPTIONS), (3, options.CALL_OPTIONS)],
    ids=["tasks", "actors", "methods"],
)
def test_every_option_is_listed(column: int, known: dict[str, Any]) -> None:
    assert listed("Options of tasks and actors", column).keys() == known.keys()


def test_every_keyword_of_init_is_listed() -> None:
    known = {name for name, one in inspect.signature(mobula.init).parameters.items() if one.kind is not one.VAR_KEYWORD}
    assert listed("Keywords of `init`", 1).keys() == known


class Plain:
    """For options of actors and methods."""

    def method(self) -> None:
        """Nothing."""


REFUSED: dict[tuple[int, str], Callable[[], Any]] = {
    (2, "enable_tensor_transport"): lambda: mobula.remote(enable_tensor_transport=True)(Plain),
    (3, "tensor_transport"): lambda: options.check_call_options({"tensor_transport": "nccl"}, is_generator=False),
}


def test_what_the_page_calls_refused_is_refused() -> None:
    said = {
        (column, name)
        for column in (1, 2, 3)
        for name, word in listed("Options of tasks and actors", column).items()
        if word.startswith("refused")
    }
    assert said == REFUSED.keys()
    for call in REFUSED.values():
        with pytest.raises(NotImplementedError):
            call()


ASKED: dict[str, Any] = {
    "include_dashboard": True,
    "dashboard_port": 8265,
    "proxy_server_url": "http://localhost",
    "job_config": {},
    "logging_config": {},
    "enable_resource_isolation": True,
    "cgroup_path": "/x",
    "system_reserved_cpu": 1.0,
    "system_reserved_memory": 1,
    "address": "ray://127.0.0.1:10001",
}


def test_what_the_page_calls_refused_by_init_is_refused() -> None:
    said = {name for name, word in listed("Keywords of `init`", 1).items() if "refused" in word}
    assert said == ASKED.keys()
    for keyword, value in ASKED.items():
        with pytest.raises(NotImplementedError, match=keyword):
            mobula.init(**{keyword: value})
    assert not mobula.is_initialized()


RAY: dict[str, list[str]] = json.loads(Path(__file__).with_name("ray_public_names.json").read_text(encoding="utf-8"))

#: Names of `ray` itself stand in a table of their own, with the reason beside each.
OWN_TABLE = "ray"


def place_of(dotted: str) -> Any:
    """The module or class of mobula that stands for one of Ray."""
    ours = "mobula" + dotted.removeprefix("ray")
    try:
        return importlib.import_module(ours)
    except ImportError:
        module, _, name = ours.rpartition(".")
        return getattr(importlib.import_module(module), name)


def absent(dotted: str) -> list[str]:
    place = place_of(dotted)
    return [name for name in RAY[dotted] if not hasattr(place, name)]


@pytest.mark.parametrize("dotted", RAY)
def test_no_name_of_ray_is_silently_absent(dotted: str) -> None:
    """What is not there says why it is not, and what to do: never the interpreter's bare "has no attribute"."""
    place = place_of(dotted)
    asked = place() if dotted == "ray.runtime_env.RuntimeEnv" else place
    for name in absent(dotted):
        with pytest.raises(AttributeError, match=rf"^mobula has no \S*\b{name}: "):
            getattr(asked, name)


@pytest.mark.parametrize("dotted", [place for place in RAY if place != OWN_TABLE])
def test_the_page_says_what_is_there_of_each_module_and_class(dotted: str) -> None:
    heading = "Names of modules and classes"
    row = next(line for line in TABLES[heading] if line.startswith(f"| `{dotted}` |"))
    _, works, refused = (cell.strip() for cell in row.strip("|").split(" | "))
    gone = set(absent(dotted))
    known = set(RAY[dotted]) - gone - refusing(dotted)
    assert set(re.findall(r"`([^`]+)`", refused.split(":")[0])) == gone | refusing(dotted)
    assert works == f"all {len(known)}" if known else works == "-"


#: Methods that are there to say that they are refused.
REFUSING = {
    "ray.ObjectRef": {"owner_address", "redis_shard_hash"},
    "ray.ObjectRefGenerator": {"aclose", "asend", "athrow", "close", "send", "throw"},
    "ray.actor.ActorClass": {"bind"},
    "ray.actor.ActorMethod": {"bind"},
    "ray.remote_function.RemoteFunction": {"bind"},
}
IDS = ("ActorID", "FunctionID", "JobID", "NodeID", "PlacementGroupID", "TaskID", "UniqueID", "WorkerID")


def refusing(dotted: str) -> set[str]:
    return {"redis_shard_hash"} if dotted.removeprefix("ray.") in IDS else REFUSING.get(dotted, set())


def test_what_is_there_to_refuse_refuses() -> None:
    ref = mobula.ObjectRef.from_random()
    for call in (ref.owner_address, ref.redis_shard_hash, mobula.NodeID.from_random().redis_shard_hash):
        with pytest.raises(NotImplementedError, match=call.__name__):
            call()
    assert (ref.call_site(), ref.tensor_transport(), len(ref.binary())) == ("", None, 28)


def test_ids_that_are_made_of_others_are_those_of_ray() -> None:
    """As Ray 2.60 makes them; an actor's depends on the time."""
    job = mobula.JobID.from_int(1)
    driver = mobula.TaskID.for_driver_task(job)
    assert driver.hex() == "f" * 40 + "01000000"
    assert mobula.TaskID.for_normal_task(job, driver, 1).hex() == "a67dc375e60ddd1a" + "f" * 24 + "01000000"
    actor = mobula.ActorID.of(job, driver, 1)
    assert (actor.job_id(), actor != mobula.ActorID.of(job, driver, 1)) == (job, True)
    assert mobula.TaskID.for_actor_task(job, driver, 1, actor).hex() == "a67dc375e60ddd1a" + actor.hex()
    assert mobula.TaskID.for_actor_creation_task(actor).hex() == "f" * 16 + actor.hex()
    assert mobula.TaskID.for_fake_task(job).job_id() == job
    assert mobula.PlacementGroupID.of(job).hex().endswith("01000000")
