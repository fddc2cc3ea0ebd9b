"""Options: checked when they are given, with the exceptions that Ray raises; what is missing is refused by name."""

from __future__ import annotations

import json
from typing import Any

import api_option_cases as cases
import pytest

import mobula
from mobula import options

RECORDED: dict[str, str] = json.loads(cases.RECORD.read_text())["outcomes"]

# Where mobula answers otherwise on purpose.
OTHERWISE = {
    # Ray compares None with a number here and fails, and takes None for max_task_retries.
    "actor decorator | max_restarts | None": "ok",
    # Ray does not look at the type of an option that .options() refuses.
    "task options | _num_objects_per_yield | 'x'": "TypeError",
}


@pytest.mark.parametrize("case", cases.cases(), ids=" | ".join)
def test_giving_an_option_has_the_outcome_it_has_in_ray(case: tuple[str, str, str]) -> None:
    name = " | ".join(case)
    assert cases.outcome(mobula, *case) == OTHERWISE.get(name, RECORDED[name])


def test_every_option_of_ray_is_known_and_no_other() -> None:
    # The keywords of the three tables are those of Ray 2.60, written down when the outcomes were recorded.
    common = set(options.TASK_OPTIONS) & set(options.ACTOR_OPTIONS)
    assert len(common) == 16
    assert set(options.TASK_OPTIONS) - common == {
        "max_calls", "max_retries", "num_returns", "retry_exceptions", "_generator_backpressure_num_objects",
        "_num_objects_per_yield",
    }  # fmt: skip
    assert set(options.ACTOR_OPTIONS) - common == {
        "concurrency_groups", "enable_tensor_transport", "lifetime", "max_concurrency", "max_restarts", "max_task_retries",
        "max_pending_calls", "namespace", "get_if_exists", "allow_out_of_order_execution",
        "_actor_generator_backpressure_num_objects",
    }  # fmt: skip
    assert set(options.METHOD_OPTIONS) == {
        "num_returns", "concurrency_group", "max_task_retries", "retry_exceptions", "_generator_backpressure_num_objects",
        "_num_objects_per_yield", "enable_task_events", "tensor_transport",
    }  # fmt: skip


def function() -> int:
    return 1


def yields() -> Any:
    yield 1


class Plain:
    def method(self) -> None:
        pass


@pytest.mark.parametrize(
    "given",
    [
        {"runtime_env": {"conda": "numpy"}},
        {"runtime_env": {"working_dir": "s3://bucket/code.zip"}},
    ],
    ids=str,
)
def test_a_right_option_of_a_missing_feature_is_refused_by_name(given: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError) as caught:
        mobula.remote(**given)(function)
    keyword, value = next(iter(given.items()))
    assert (next(iter(value)) if keyword == "runtime_env" else keyword) in str(caught.value)


@pytest.mark.parametrize("value", ["streaming", "dynamic"])
def test_streaming_is_for_generators_and_wrong_for_others(value: str) -> None:
    mobula.remote(num_returns=value)(yields)
    with pytest.raises(ValueError, match="yield"):
        mobula.remote(num_returns=value)(function)


@pytest.mark.parametrize(
    "given",
    [{"enable_tensor_transport": True}],
    ids=str,
)
def test_missing_features_of_actors_are_refused_by_name(given: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError, match=next(iter(given))):
        mobula.remote(**given)(Plain)


@pytest.mark.parametrize(
    "given",
    [
        {"runtime_env": {"nonsense": 1}},
        {"num_gpus": 1.5},
        {"scheduling_strategy": "bogus"},
        {"placement_group": "some group"},
        {"placement_group_bundle_index": 3},
        {"num_cpus": float("nan")},
        {"num_cpus": float("inf")},
        {"runtime_env": {"env_vars": {"A=B": "1"}}},
    ],
    ids=str,
)
def test_values_that_ray_takes_or_fails_on_later_are_refused_at_once(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        mobula.remote(**given)(function)


@pytest.mark.parametrize(
    "given", [{"max_concurrency": 0}, {"name": ""}, {"namespace": ""}, {"concurrency_groups": {"io": 0}}], ids=str
)
def test_values_that_no_actor_can_have_are_refused_at_once(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        mobula.remote(**given)(Plain)


@pytest.mark.parametrize(
    "given",
    [{"concurrency_groups": {"io": "x"}}, {"concurrency_groups": {5: 1}}, {"concurrency_groups": ["io"]}, {"resources": {5: 1}}],
    ids=str,
)
def test_wrong_types_inside_an_option_are_type_errors(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=next(iter(given))):
        mobula.remote(**given)(Plain)


def test_the_sentence_names_the_option_the_value_and_what_is_taken() -> None:
    with pytest.raises(TypeError, match=r"'num_cpus' takes float, int or None, not '2' of type str"):
        mobula.remote(num_cpus="2")(function)
    with pytest.raises(ValueError, match=r"no option 'num_cpu'; it takes .*num_cpus"):
        mobula.remote(num_cpu=2)(function)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"no_such": 1}, AssertionError),
        ({"num_returns": "x"}, TypeError),
        ({"num_returns": -1}, ValueError),
        ({"concurrency_group": 5}, TypeError),
        ({"max_task_retries": -5}, ValueError),
        ({"retry_exceptions": "x"}, TypeError),
        ({"tensor_transport": "nccl"}, NotImplementedError),
    ],
    ids=str,
)
def test_method_checks_what_it_is_given(given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        mobula.method(**given)(function)


def test_method_leaves_rays_marks_and_the_function_itself() -> None:
    def plain() -> None:
        pass

    assert mobula.method(plain) is plain
    marked: Any = mobula.method(num_returns=2, concurrency_group="io", max_task_retries=1, retry_exceptions=[KeyError])(plain)
    assert marked is plain
    assert (marked.__ray_num_returns__, marked.__ray_concurrency_group__) == (2, "io")
    assert (marked.__ray_max_task_retries__, marked.__ray_retry_exceptions__) == (1, [KeyError])
    with pytest.raises(AssertionError):
        mobula.method(2)  # type: ignore[call-overload]
