"""`summarize_*`: how many there are of what, in Ray's form."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from mobula.util.state.listing import MOST, list_actors, list_objects, list_tasks

__all__ = ["summarize_actors", "summarize_objects", "summarize_tasks"]


def summarize_tasks(address: str | None = None, **rest: Any) -> dict[str, Any]:
    """How many tasks of each name are in which state, of the last 10,000.

    >>> from mobula.util.state import summarize_tasks
    >>> sorted(summarize_tasks()["cluster"])
    ['summary', 'summary_by', 'total_actor_scheduled', 'total_actor_tasks', 'total_tasks']
    """
    names: dict[str, dict[str, Any]] = {}
    kinds: Counter[str] = Counter()
    for task in list_tasks(address, limit=MOST, **rest):
        kinds[task.type] += 1
        entry = names.setdefault(task.name, {"func_or_class_name": task.name, "type": task.type, "state_counts": Counter()})
        entry["state_counts"][task.state] += 1
    for entry in names.values():
        entry["state_counts"] = dict(entry["state_counts"])
    return {
        "cluster": {
            "summary": names,
            "total_tasks": kinds["NORMAL_TASK"],
            "total_actor_tasks": kinds["ACTOR_TASK"],
            "total_actor_scheduled": kinds["ACTOR_CREATION_TASK"],
            "summary_by": "func_name",
        }
    }


def summarize_actors(address: str | None = None, **rest: Any) -> dict[str, Any]:
    """How many actors of each class are in which state."""
    classes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for actor in list_actors(address, limit=MOST, **rest):
        classes[actor.class_name][actor.state] += 1
    summary = {name: {"class_name": name, "state_counts": dict(states)} for name, states in classes.items()}
    return {"cluster": {"summary": summary, "total_actors": sum(map(Counter.total, classes.values())), "summary_by": "class"}}


def summarize_objects(address: str | None = None, **rest: Any) -> dict[str, Any]:
    """How many objects there are, where, and of what size, of the 10,000 largest.

    In Ray, "summary" is by the lines of code that made them, or, as here, has the one entry "disabled".
    """
    found = list_objects(address, limit=MOST, **rest)
    size = sum(one.object_size for one in found) / 2**20
    states = dict(Counter(one.task_status for one in found))
    everything = {
        "total_objects": len(found),
        "total_size_mb": size,
        "total_num_workers": len({one.owner_worker_id for one in found}),
        "total_num_nodes": min(len(found), 1),
        "task_state_counts": states,
    }
    return {
        "cluster": {
            "summary": {"disabled": everything} if found else {},
            "total_objects": len(found),
            "total_size_mb": size,
            "in_shared_memory": sum(one.in_shared_memory for one in found),
            "task_state_counts": states,
            "callsite_enabled": False,
            "summary_by": "callsite",
        }
    }
