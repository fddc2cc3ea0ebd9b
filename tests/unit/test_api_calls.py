"""Remote functions: forms of the decorator, what a call sends, when functions are exported, what is refused at the call."""

from __future__ import annotations

import copy
import functools
import inspect
import json
import pickle
import threading
from typing import Any

import cloudpickle
import pytest
from api_kit import JOB, NODE, Unattached, attached
from hypothesis import given, settings
from hypothesis import strategies as st

import mobula
from mobula import arguments, signatures
from mobula._core import ids, inherited, process
from mobula._core.pb import boundary_pb2 as pb
from mobula.serialization import deserialize, loads

__all__ = ["attached"]


@mobula.remote
def add(x: int, y: int = 1) -> int:
    """Adds."""
    return x + y


def test_the_proxy_looks_like_the_function() -> None:
    assert add.remote.__name__ == "add"  # type: ignore[attr-defined]
    assert add.remote.__doc__ == "Adds."
    assert list(inspect.signature(add.remote).parameters) == ["x", "y"]


def test_a_direct_call_says_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"cannot be called directly.*test_api_calls\.add\.remote\(\)"):
        add(1)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: mobula.remote(), AssertionError),
        (lambda: mobula.remote(5), AssertionError),
        (lambda: mobula.remote(print, num_cpus=1), AssertionError),
        (lambda: mobula.remote(print), TypeError),
        (lambda: mobula.remote(functools.partial(max, 1)), TypeError),
        (lambda: mobula.remote(add), TypeError),
        (lambda: mobula.remote(num_cpus=1)(add), TypeError),
        (lambda: mobula.remote("".join), TypeError),
    ],
)
def test_forms_of_the_decorator_that_ray_refuses(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        make()


def test_a_coroutine_function_is_no_task() -> None:
    async def work() -> None:
        pass

    with pytest.raises(ValueError, match=r"asyncio\.run"):
        mobula.remote(work)


def test_defining_and_options_start_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_auto_init", lambda: pytest.fail("a session was started"))
    mobula.remote(lambda: 1)
    add.options(num_cpus=2)
    with pytest.raises(TypeError):
        add.remote()  # type: ignore[call-arg]


def test_what_a_call_sends(attached: Unattached) -> None:
    ref = add.options(num_cpus=0.5, resources={"b": 1, "a": 2}, name="named", max_retries=7).remote(4, y=5)
    (spec,) = attached.specs
    assert spec.type == pb.NORMAL_TASK
    assert (spec.name, spec.num_returns, spec.max_retries, spec.depth) == ("named", 1, 7, 1)
    assert spec.parent_task_id == ids.driver_task_id(JOB)
    assert ref.binary() == ids.return_id(spec.task_id, 1)
    assert [(r.name, r.amount) for r in spec.resources] == [("CPU", 0.5), ("a", 2.0), ("b", 1.0)]
    assert [(arg.keyword, arg.has_keyword) for arg in spec.args] == [("", False), ("y", True)]
    assert [deserialize(arg.value.data, arg.value.metadata) for arg in spec.args] == [(False, 4), (False, 5)]
    (export,) = attached.exports
    assert export.key == b"RemoteFunction:01000000:" + spec.function_id


def test_defaults_of_a_task(attached: Unattached) -> None:
    add.remote(1)
    (spec,) = attached.specs
    assert (spec.name, spec.max_retries, spec.retry_exceptions) == ("add", 3, False)
    assert [(r.name, r.amount) for r in spec.resources] == [("CPU", 1.0)]
    add.options(num_cpus=0).remote(1)
    assert not attached.specs[1].resources
    add.options(num_gpus=1, memory=100, accelerator_type="T4").remote(1)
    assert {r.name: r.amount for r in attached.specs[2].resources} == {
        "CPU": 1.0, "GPU": 1.0, "memory": 100.0, "accelerator_type:T4": 0.001,
    }  # fmt: skip


def test_retry_exceptions(attached: Unattached) -> None:
    add.options(retry_exceptions=True).remote(1)
    add.options(retry_exceptions=[KeyError, OSError]).remote(1)
    add.options(retry_exceptions=[]).remote(1)
    every, some, none = attached.specs
    assert every.retry_exceptions
    assert not every.retry_allowlist
    assert some.retry_exceptions
    assert pickle.loads(some.retry_allowlist) == (KeyError, OSError)
    assert not none.retry_exceptions


def test_num_returns(attached: Unattached) -> None:
    one, none = add.remote(1), add.options(num_returns=0).remote(1)
    several: Any = add.options(num_returns=3).remote(1)
    assert none is None
    assert isinstance(one, mobula.ObjectRef)
    assert [ref.binary() for ref in several] == [ids.return_id(attached.specs[2].task_id, n) for n in (1, 2, 3)]


def test_a_function_is_exported_once_a_session(attached: Unattached, monkeypatch: pytest.MonkeyPatch) -> None:
    function = mobula.remote(lambda: 1)
    function.remote()
    function.options(num_cpus=2).remote()
    assert len(attached.exports) == 1
    later = Unattached(node_id=b"m" * 28)
    monkeypatch.setattr(process, "_current", later)
    function.remote()
    assert len(later.exports) == 1
    assert later.exports[0].key == attached.exports[0].key


def test_globals_are_captured_at_the_first_call(attached: Unattached) -> None:
    box = [1]
    function = mobula.remote(lambda: box[0])
    box[0] = 2
    function.remote()
    box[0] = 3
    function.remote()
    table = pickle.loads(attached.exports[0].value)
    assert loads(table["function"])() == 2
    assert table["function_name"] == "<lambda>"
    assert table["max_calls"] == 0
    assert table["job_id"] == JOB


def test_a_worker_that_used_gpus_leaves_after_one_call_unless_told_otherwise(attached: Unattached) -> None:
    for options in ({"num_gpus": 1}, {"num_gpus": 1, "max_calls": 0}, {"max_calls": 5}, {"num_cpus": 1}):
        mobula.remote(**options)(lambda: None).remote()
    mobula.remote(num_gpus=1)(lambda: None).options(name="other").remote()
    assert [spec.max_calls for spec in attached.specs] == [1, 0, 5, 0, 1]


def test_calls_inherit_the_environment_of_their_caller(attached: Unattached, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inherited, "_own", b'{"env_vars": {"A": "1", "B": "1"}}')
    function = mobula.remote(lambda: None)
    for variables in ({}, {"B": "2"}, {"C": "3"}):
        function.options(runtime_env={"env_vars": variables}).remote()
    function.remote()
    sent = [json.loads(spec.runtime_env)["env_vars"] for spec in attached.specs]
    assert sent == [{"A": "1", "B": "1"}, {"A": "1", "B": "2"}, {"A": "1", "B": "1", "C": "3"}, {"A": "1", "B": "1"}]


def test_equal_environments_are_equal_bytes(attached: Unattached) -> None:
    function = mobula.remote(lambda: None)
    for variables in ({"A": "1", "B": "2"}, {"B": "2", "A": "1"}):
        function.options(runtime_env={"env_vars": variables}).remote()
    function.options(runtime_env={"env_vars": {}}).remote()
    first, second, none = [spec.runtime_env for spec in attached.specs]
    assert first == second != none == b""


def test_a_redefinition_is_another_function(attached: Unattached) -> None:
    for value in (1, 2):

        @mobula.remote
        def same(value: int = value) -> int:
            return value

        same.remote()
    first, second = attached.specs
    assert first.function_id != second.function_id


def test_a_function_that_calls_itself_is_known_where_it_runs(attached: Unattached) -> None:
    @mobula.remote
    def down(n: int) -> Any:
        return n and down.remote(n - 1)

    down.remote(3)
    # What the worker has is a copy of the function; its own `down` counts as exported in this session.
    loaded = loads(pickle.loads(attached.exports[0].value)["function"])
    inner = inspect.getclosurevars(loaded).nonlocals["down"]
    inner.remote(2)
    assert len(attached.exports) == 1
    assert attached.specs[0].function_id == attached.specs[1].function_id


def test_a_function_that_cannot_be_pickled_is_refused_at_every_call(attached: Unattached) -> None:
    lock = threading.Lock()
    function = mobula.remote(lambda: lock)
    for _ in range(2):
        with pytest.raises(TypeError, match=r"Could not serialize the function .*lambda"):
            function.remote()
    assert not attached.sent


def test_an_argument_that_cannot_be_pickled_is_named(attached: Unattached) -> None:
    with pytest.raises(TypeError, match=r"Could not serialize the argument 0 of test_api_calls\.add, a _thread\.lock"):
        add.remote(threading.Lock())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"argument 'y'"):
        add.remote(1, y=(n for n in "ab"))  # type: ignore[arg-type]
    assert not attached.specs


def test_refs_at_top_level_travel_as_refs_and_inside_as_contained(attached: Unattached) -> None:
    ref = mobula.put(5)
    add.remote(ref, y=[ref])  # type: ignore[arg-type]
    first, second = attached.specs[0].args
    assert first.ref == ref.binary()
    assert not first.HasField("value")
    assert second.value.contained == ref.binary()
    assert second.keyword == "y"


def test_a_large_argument_is_put_first(attached: Unattached) -> None:
    add.remote(b"x" * arguments.INLINE_BYTES)  # type: ignore[arg-type]
    add.remote(b"x" * (arguments.INLINE_BYTES + 1))  # type: ignore[arg-type]
    inline, large = attached.specs
    assert inline.args[0].HasField("value")
    (put,) = [one.put for one in attached.sent if one.HasField("put")]
    assert large.args[0].ref == put.object_id


def test_remote_functions_pickle(attached: Unattached) -> None:
    again = cloudpickle.loads(cloudpickle.dumps(mobula.remote(num_returns=2)(lambda: (1, 2))))
    assert len(again.remote()) == 2
    optioned = cloudpickle.loads(cloudpickle.dumps(mobula.remote(lambda: 1).options(num_cpus=3)))
    optioned.remote()
    assert attached.specs[-1].resources[0].amount == 3
    assert copy.copy(again).remote()


def test_generators_stream_unless_the_number_is_fixed(attached: Unattached) -> None:
    @mobula.remote
    def stream() -> Any:
        yield 1

    assert isinstance(stream.remote(), mobula.ObjectRefGenerator)
    assert isinstance(stream.options(num_returns="dynamic").remote(), mobula.ObjectRef)
    assert len(stream.options(num_returns=2).remote()) == 2  # type: ignore[arg-type]


def test_bind_is_refused() -> None:
    for bindable in (add, add.options(num_cpus=1)):
        with pytest.raises(NotImplementedError, match="bind"):
            bindable.bind(1)


def test_awkward_parameter_names(attached: Unattached) -> None:
    @mobula.remote
    def awkward(self: int, name: int, args: Any = None, kwargs: Any = None, options: Any = None, num_returns: Any = None) -> None:
        pass

    awkward.remote(self=1, name=2, args=3, kwargs=4, options=5, num_returns=6)
    assert [arg.keyword for arg in attached.specs[0].args] == ["self", "name", "args", "kwargs", "options", "num_returns"]


def test_the_node_and_job_say_which_session_it_is(attached: Unattached) -> None:
    function = mobula.remote(lambda: 1)
    function.remote()
    assert function._exported == (NODE, JOB)


# ------------------------------------------------------------------------------------------ signatures


def _functions() -> list[Any]:
    def none() -> None: ...
    def two(a: Any, b: Any = 1) -> None: ...
    def only(a: Any, /, b: Any, *, c: Any) -> None: ...
    def free(a: Any, *rest: Any, d: Any = 1, **more: Any) -> None: ...
    def anything(*args: Any, **kwargs: Any) -> None: ...

    return [none, two, only, free, anything]


@settings(max_examples=300)
@given(
    function=st.sampled_from(_functions()),
    args=st.lists(st.integers(), max_size=4),
    kwargs=st.dictionaries(st.sampled_from("abcdx"), st.integers(), max_size=3),
)
def test_a_call_fits_exactly_when_python_says_so(function: Any, args: list[int], kwargs: dict[str, int]) -> None:
    fitting = signatures.Fitting(signatures.shape_of(function))
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        with pytest.raises(TypeError) as caught:
            fitting.check(args, kwargs)
        assert str(caught.value) == str(error)  # noqa: PT017 - `error` is the expectation here, not the subject
    else:
        fitting.check(args, kwargs)


def test_what_has_no_signature_takes_anything() -> None:
    fitting = signatures.Fitting(signatures.shape_of(type))
    fitting.check([1, 2, 3, 4], {"x": 1})
