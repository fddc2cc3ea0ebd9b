"""Cases of options, shared by the test and by the recording of what real Ray does with them.

Run as a program in an environment with Ray (`python api_option_cases.py`), it writes api_option_cases_ray.json beside this
file: for each case the name of the exception, or "ok". Values are written as Python text, so that both sides read the same.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

RECORD = Path(__file__).with_name("api_option_cases_ray.json")

_AMOUNTS = ["None", "0", "1", "2.5", "0.5", "True", "-1", "-0.5", "0.00001", "'1'", "[1]"]
_COUNTS = ["None", "0", "1", "5", "-1", "-2", "1.5", "'many'", "True"]
_COMMON: dict[str, list[str]] = {
    "num_cpus": _AMOUNTS,
    "num_gpus": ["None", "0", "1", "0.25", "-1", "'one'", "2"],
    "memory": _AMOUNTS,
    "resources": [
        "None",
        "{}",
        "{'a': 1}",
        "{'a': 0.5}",
        "{'a': 0}",
        "{'CPU': 1}",
        "{'GPU': 1}",
        "{'a': -1}",
        "{'a': 0.00001}",
        "['a']",
        "{'a': 'x'}",
        "{'a': None}",
    ],
    "name": ["None", "'x'", "3", "b'x'"],
    "accelerator_type": ["None", "'T4'", "4"],
    "runtime_env": [
        "None",
        "{}",
        "'A=1'",
        "[1]",
        "{'env_vars': {'A': '1'}}",
        "{'env_vars': {'A': 1}}",
        "{'working_dir': '/none/such'}",
    ],
    "scheduling_strategy": ["None", "'DEFAULT'", "'SPREAD'", "7", "['SPREAD']"],
    "placement_group": ["None", "'default'", "5"],
    "placement_group_bundle_index": ["-1", "'x'", "None", "1.5"],
    "placement_group_capture_child_tasks": ["None", "True", "False", "'x'", "1"],
    "enable_task_events": ["True", "False", "None", "1"],
    "label_selector": ["None", "{}", "'a'", "[1]"],
    "fallback_strategy": ["None", "[]", "{}", "[{}]", "'a'"],
    "_labels": ["None", "{}", "'a'", "[1]"],
    "no_such_option": ["1", "None"],
}
TASK = {
    **_COMMON,
    "num_returns": ["None", "0", "1", "3", "True", "-1", "1.5", "'x'", "'streaming'", "'dynamic'", "[1]"],
    "max_retries": _COUNTS,
    "max_calls": ["None", "0", "-1", "2.5", "'x'"],
    "retry_exceptions": [
        "True",
        "False",
        "[]",
        "[ValueError]",
        "(ValueError, KeyError)",
        "[int]",
        "'ValueError'",
        "None",
        "ValueError",
        "[ValueError()]",
    ],
    "object_store_memory": ["None", "1000000", "'x'"],
    "_generator_backpressure_num_objects": ["None", "-1", "0", "'x'"],
    "_num_objects_per_yield": ["None", "1", "0", "-1", "'x'"],
    "max_restarts": ["1"],
    "lifetime": ["'detached'"],
    "max_concurrency": ["2"],
}
ACTOR = {
    **_COMMON,
    "max_restarts": _COUNTS,
    "max_task_retries": _COUNTS,
    "max_concurrency": ["None", "1", "10", "-1", "1.5", "'x'"],
    "max_pending_calls": ["None", "-1", "5", "-2", "'x'"],
    "lifetime": ["None", "'detached'", "'non_detached'", "'forever'", "5"],
    "namespace": ["None", "'x'", "5"],
    "get_if_exists": ["False", "True", "None", "1"],
    "concurrency_groups": ["None", "{}", "{'io': 2}", "5", "'x'"],
    "allow_out_of_order_execution": ["None", "True", "False", "1"],
    "enable_tensor_transport": ["None", "False", "1"],
    "object_store_memory": ["None", "1000000", "-1", "1.5"],
    "_actor_generator_backpressure_num_objects": ["None", "-1", "0", "-2", "'x'"],
    "num_returns": ["2"],
    "max_retries": ["1"],
    "max_calls": ["1"],
    "retry_exceptions": ["True"],
}
METHOD = {
    "num_returns": ["0", "1", "3", "-1", "'streaming'", "'dynamic'"],
    "concurrency_group": ["'io'"],
    "max_task_retries": ["0", "-1", "3"],
    "retry_exceptions": ["True", "[ValueError]"],
    "enable_task_events": ["True", "False"],
    "no_such_option": ["1"],
    "num_cpus": ["1"],
    "name": ["'x'"],
}


def cases() -> list[tuple[str, str, str]]:
    """(form, keyword, value as text); forms are decorator and .options() of both kinds, and @method."""
    out = []
    for kind, table in (("task", TASK), ("actor", ACTOR)):
        for form in ("decorator", "options"):
            out += [(f"{kind} {form}", keyword, value) for keyword, values in table.items() for value in values]
    out += [("method decorator", keyword, value) for keyword, values in METHOD.items() for value in values]
    return out


def outcome(ray: Any, form: str, keyword: str, value: str) -> str:
    """The name of the exception that giving this option raises, or "ok". Nothing is started."""

    def function() -> int:
        return 1

    class Plain:
        pass

    kind, where = form.split()
    target: Any = function if kind in ("task", "method") else Plain
    options = {keyword: eval(value)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if kind == "method":
                ray.method(**options)(function)
            elif where == "decorator":
                ray.remote(**options)(target)
            else:
                ray.remote(target).options(**options)
    except Exception as error:
        return type(error).__name__
    return "ok"


if __name__ == "__main__":
    backend = importlib.import_module(sys.argv[1] if len(sys.argv) > 1 else "ray")
    found = {" | ".join(case): outcome(backend, *case) for case in cases()}
    if backend.__name__ == "ray":
        RECORD.write_text(json.dumps({"ray": backend.__version__, "outcomes": found}, indent=1) + "\n")
    else:
        recorded = json.loads(RECORD.read_text())["outcomes"]
        for case, result in found.items():
            if recorded.get(case) != result:
                print(f"{case}: ray {recorded.get(case)}, here {result}")
