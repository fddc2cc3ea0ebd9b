"""Every option of Ray 2.60 for remote functions, actor classes and method calls, checked when it is given.

Owns three tables, the rules between options, and the refusals: a value is first checked as Ray checks it (TypeError,
ValueError); what is right but asks for something that is not built yet is refused by name with NotImplementedError,
so that no option is ever silently ignored. It refuses to know how an option reaches the core: task_spec.py does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mobula.labels import selector_complaint
from mobula.option_checks import (
    NONE,
    Option,
    amount,
    custom_resources_complaint,
    exceptions_complaint,
    positive_or_minus_one,
    text_pairs,
    whole_number,
)
from mobula.placement_group import PlacementGroup
from mobula.runtime_env.checks import check_runtime_env
from mobula.strategies import (
    NodeAffinitySchedulingStrategy,
    NodeLabelSchedulingStrategy,
    PlacementGroupSchedulingStrategy,
)

Options = dict[str, Any]

STRATEGIES = ("DEFAULT", "SPREAD")


def _strategy_complaint(value: object) -> str | None:
    if isinstance(value, str) and value not in STRATEGIES:
        return f"takes None, 'DEFAULT', 'SPREAD' or an object of mobula.util.scheduling_strategies; it was {value!r}"
    return None


def _num_returns_complaint(value: int | str | None) -> str | None:
    if isinstance(value, str):
        if value in ("dynamic", "streaming"):
            return None
        raise TypeError(f"option 'num_returns' takes a number, 'streaming', 'dynamic' or None, not {value!r}")
    if value is None or value >= 0:
        return None
    return f"a call cannot return {value} values: give 0 or more"


def _fallback_complaint(value: list[Any] | None) -> str | None:
    for one in value or ():
        if not isinstance(one, dict):
            raise TypeError(f"option 'fallback_strategy' is a list of dicts, not of {one!r}")
        if not one:
            return "an entry is empty"
        for key in one:
            if key != "label_selector":
                return f"an entry has 'label_selector' and nothing else, not {key!r}"
        selector = one["label_selector"]
        if selector is not None and not isinstance(selector, dict):
            return f"'label_selector' is a dict of label to condition, not {selector!r}"
        sentence = selector_complaint(selector)
        if sentence:
            return sentence
    return None


def _groups_complaint(value: dict[str, int] | list[Any] | None) -> str | None:
    if isinstance(value, list) and value:
        raise TypeError("option 'concurrency_groups' is a dict of group name to number of threads, not a list")
    for name, size in dict(value or {}).items():
        if not isinstance(name, str):
            raise TypeError(f"option 'concurrency_groups': a group's name is a str, not {name!r}")
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"option 'concurrency_groups': the size of group {name!r} is an int, not {size!r}")
        if size < 1:
            return f"group {name!r} must run at least one method at a time, not {size}"
    return None


def _lifetime_complaint(value: str | None) -> str | None:
    return None if value in (None, "detached", "non_detached") else f"takes None, 'detached' or 'non_detached', not {value!r}"


def _name_complaint(value: str | None) -> str | None:
    return "a name cannot be an empty string" if value == "" else None


def _namespace_complaint(value: str | None) -> str | None:
    return "a namespace cannot be an empty string: give None for the driver's own" if value == "" else None


def _runtime_env_complaint(value: dict[str, Any] | None) -> str | None:
    check_runtime_env(value)
    return None


_TEXT = Option((str, NONE))
_FLAG = Option((bool, NONE))
_BACKPRESSURE = Option(
    (int, NONE), lambda value: "must be above 0, or -1 for no limit; 0 would never yield" if value == 0 else None
)
_PER_YIELD = Option((int, NONE), lambda value: None if value is None or value > 0 else f"must be above 0, it was {value}")
_NUM_RETURNS = Option((int, str, NONE), _num_returns_complaint)
_RETRY_EXCEPTIONS = Option((bool, list, tuple), exceptions_complaint)

_COMMON: dict[str, Option] = {
    "label_selector": Option((dict, NONE), selector_complaint),
    "fallback_strategy": Option((list, NONE), _fallback_complaint),
    "accelerator_type": _TEXT,
    "memory": amount(),
    "name": _TEXT,
    "num_cpus": amount(),
    "num_gpus": amount(whole_above_one=True),
    "object_store_memory": whole_number(forever=False),
    "placement_group": Option((str, PlacementGroup, NONE)),
    "placement_group_bundle_index": Option((int,)),
    "placement_group_capture_child_tasks": _FLAG,
    "resources": Option((dict, NONE), custom_resources_complaint),
    "runtime_env": Option((dict, NONE), _runtime_env_complaint),
    "scheduling_strategy": Option(
        (str, PlacementGroupSchedulingStrategy, NodeAffinitySchedulingStrategy, NodeLabelSchedulingStrategy, NONE),
        _strategy_complaint,
    ),
    "enable_task_events": Option((bool,)),
    "_labels": text_pairs("_labels"),
}

TASK_OPTIONS: dict[str, Option] = {
    **_COMMON,
    "max_calls": whole_number(forever=False),
    "max_retries": whole_number(forever=True),
    "num_returns": _NUM_RETURNS,
    "object_store_memory": Option((int, NONE), lambda value: None if value is None else "is for actors; a task cannot reserve it"),
    "retry_exceptions": _RETRY_EXCEPTIONS,
    "_generator_backpressure_num_objects": _BACKPRESSURE,
    "_num_objects_per_yield": _PER_YIELD,
}

ACTOR_OPTIONS: dict[str, Option] = {
    **_COMMON,
    "name": Option((str, NONE), _name_complaint),
    "concurrency_groups": Option((dict, list, NONE), _groups_complaint),
    "enable_tensor_transport": _FLAG,
    "lifetime": Option((str, NONE), _lifetime_complaint),
    "max_concurrency": whole_number(forever=False, least=1),
    "max_restarts": whole_number(forever=True),
    "max_task_retries": whole_number(forever=True),
    "max_pending_calls": whole_number(forever=True),
    "namespace": Option((str, NONE), _namespace_complaint),
    "get_if_exists": Option((bool,)),
    "allow_out_of_order_execution": _FLAG,
    "_actor_generator_backpressure_num_objects": Option((int, NONE), positive_or_minus_one),
}

# What @method and ActorMethod.options take. Ray checks some of these only deep inside a call; here they are checked at once.
METHOD_OPTIONS: dict[str, Option] = {
    "num_returns": _NUM_RETURNS,
    "concurrency_group": _TEXT,
    "max_task_retries": whole_number(forever=True),
    "retry_exceptions": Option((bool, list, tuple, NONE), lambda value: None if value is None else exceptions_complaint(value)),
    "_generator_backpressure_num_objects": _BACKPRESSURE,
    "_num_objects_per_yield": _PER_YIELD,
    "enable_task_events": _FLAG,
    "tensor_transport": _TEXT,
}
CALL_OPTIONS: dict[str, Option] = {**METHOD_OPTIONS, "name": _TEXT, "_labels": text_pairs("_labels")}


def check_task_options(options: Mapping[str, Any], *, in_options: bool, is_generator: bool, per_yield: int | None = None) -> None:
    """Checks the options of a remote function, as given to `remote(...)` or (`in_options`) to `.options(...)`.

    `per_yield` is the function's own `_num_objects_per_yield`, which `.options` may repeat and not change.

    Raises TypeError or ValueError for what Ray refuses, NotImplementedError for what is not built yet.
    """
    _check(options, TASK_OPTIONS, "a remote function")
    if in_options and "max_calls" in options:
        raise ValueError("option 'max_calls' belongs to @remote(...); .options() does not take it")
    if in_options and "_num_objects_per_yield" in options and options["_num_objects_per_yield"] != (per_yield or 1):
        raise ValueError("option '_num_objects_per_yield' belongs to @remote(...); .options() cannot change it")
    _check_placement(options, in_options=in_options)
    check_streaming(options.get("num_returns"), is_generator=is_generator)


def check_actor_options(options: Mapping[str, Any], *, in_options: bool) -> None:
    """Checks the options of an actor class, as given to `remote(...)` or (`in_options`) to `.options(...)`.

    Raises TypeError or ValueError for what Ray refuses, NotImplementedError for what is not built yet.
    """
    _check(options, ACTOR_OPTIONS, "an actor class")
    if in_options and "concurrency_groups" in options:
        raise ValueError("option 'concurrency_groups' belongs to @remote(...); .options() does not take it")
    if options.get("get_if_exists") and not options.get("name"):
        raise ValueError("option 'get_if_exists' needs a name= to look for")
    _check_placement(options, in_options=in_options)
    if options.get("enable_tensor_transport"):
        raise _missing("enable_tensor_transport", "passing tensors outside of the object store")


def check_call_options(options: Mapping[str, Any], *, is_generator: bool) -> None:
    """Checks what `actor.method.options(...)` was given.

    Raises TypeError for an unknown keyword or a wrong type, ValueError for a wrong value, NotImplementedError for what is
    not built yet.
    """
    for keyword in options:
        if keyword not in CALL_OPTIONS:
            raise TypeError(f"a method call has no option {keyword!r}; it takes {', '.join(CALL_OPTIONS)}")
    _check(options, CALL_OPTIONS, "a method call")
    check_streaming(options.get("num_returns"), is_generator=is_generator)
    refuse_method_options(options)
    if options.get("_num_objects_per_yield") is not None:
        raise ValueError("option '_num_objects_per_yield' belongs to @method(...); .options() of a method does not take it")


def refuse_method_options(options: Mapping[str, Any]) -> None:
    """NotImplementedError for options of methods that nothing stands behind yet."""
    if options.get("tensor_transport") not in (None, "", "object_store", "OBJECT_STORE"):
        raise _missing("tensor_transport", "passing tensors outside of the object store")


def check_streaming(num_returns: object, *, is_generator: bool) -> None:
    """ValueError when 'streaming' or 'dynamic' is asked of a function that does not yield."""
    if not isinstance(num_returns, str):
        return
    if not is_generator:
        raise ValueError(f"num_returns={num_returns!r} is for functions that yield, and this one does not")


def _check(options: Mapping[str, Any], table: Mapping[str, Option], what: str) -> None:
    for keyword, value in options.items():
        option = table.get(keyword)
        if option is None:
            raise ValueError(f"{what} has no option {keyword!r}; it takes {', '.join(table)}")
        option.check(keyword, value)


def _check_placement(options: Mapping[str, Any], *, in_options: bool) -> None:
    group = options.get("placement_group", "default")
    given = isinstance(group, PlacementGroup)
    if given and options.get("scheduling_strategy") is not None:
        raise ValueError("options 'placement_group' and 'scheduling_strategy' exclude each other: give the strategy only")
    if not given and group not in ("default", None):
        raise ValueError(f"option 'placement_group': there is no placement group {group!r}: give what placement_group() returned")
    # In .options() the group may be the decorator's: then the call checks it.
    if not given and not in_options and options.get("placement_group_bundle_index", -1) != -1:
        raise ValueError("option 'placement_group_bundle_index' needs a placement group")


def _missing(keyword: str, what: str) -> NotImplementedError:
    return NotImplementedError(f"option {keyword}: {what}: not built into mobula yet, so it is refused rather than ignored")
