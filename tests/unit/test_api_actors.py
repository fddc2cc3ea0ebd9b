"""Actor classes and handles: what creation and calls send, how handles are counted and travel, what is refused."""

from __future__ import annotations

import copy
import gc
import pickle
from typing import Any

import cloudpickle
import pytest
from api_kit import JOB, Unattached, attached

import mobula
from mobula import actor_handle, class_description
from mobula._core import ids, refcount
from mobula._core.pb import boundary_pb2 as pb
from mobula.actor import ActorClass, actor_resources
from mobula.serialization import deserialize, serialize

__all__ = ["attached"]


class Base:
    factor = 3

    def __init__(self, start: int, step: int = 1) -> None:
        self.value = start

    def add(self, n: int, *, twice: bool = False) -> int:
        return n

    @mobula.method(num_returns=2, max_task_retries=5, retry_exceptions=[KeyError])
    def two(self) -> tuple[int, int]:
        return 1, 2

    @staticmethod
    def static(x: int) -> int:
        return x

    @classmethod
    def of_class(cls, x: int) -> int:
        return x

    @property
    def prop(self) -> int:
        return 1

    def stream(self) -> Any:
        yield 1


def _actor(**options: Any) -> Any:
    return mobula.remote(Base).options(**options).remote(1)


def test_what_a_creation_sends(attached: Unattached) -> None:
    handle = _actor()
    export, submit, count = attached.sent
    spec = submit.submit
    assert export.export.key == b"ActorClass:01000000:" + spec.function_id
    assert spec.type == pb.ACTOR_CREATION_TASK
    assert spec.task_id == ids.actor_creation_task_id(spec.actor_id)
    assert spec.actor_id.endswith(JOB)
    assert handle._actor_id.binary() == spec.actor_id
    assert not spec.resources
    assert [(r.name, r.amount) for r in spec.actor.placement_resources] == [("CPU", 1.0)]
    actor = spec.actor
    assert (actor.max_restarts, actor.max_concurrency, actor.is_asyncio, actor.out_of_order) == (0, 1, False, False)
    assert (actor.name, actor.namespace, actor.detached, actor.max_pending_calls) == ("", "tests", False, -1)
    assert actor.class_name == "Base"
    assert count.actor_handles.added == spec.actor_id
    assert deserialize(spec.args[0].value.data, spec.args[0].value.metadata) == (False, 1)


def test_the_class_is_exported_once_and_plain(attached: Unattached) -> None:
    cls = mobula.remote(Base)
    cls.remote(1)
    cls.options(num_cpus=1).remote(2)
    (export,) = attached.exports
    table = pickle.loads(export.value)
    assert table["class_name"] == "Base"
    assert pickle.loads(table["class"]) is Base


def test_options_of_a_creation(attached: Unattached) -> None:
    _actor(max_restarts=-1, max_concurrency=4, namespace="other", lifetime="detached", max_pending_calls=7)
    actor = attached.specs[0].actor
    assert (actor.max_restarts, actor.max_concurrency, actor.out_of_order) == (-1, 4, True)
    assert (actor.namespace, actor.detached, actor.max_pending_calls) == ("other", True, 7)


@pytest.mark.parametrize(
    ("options", "held", "placed"),
    [
        # Each line was seen on Ray 2.60, in get_assigned_resources() of such an actor.
        ({}, {}, {"CPU": 1.0}),
        ({"num_cpus": 0}, {}, {}),
        ({"num_cpus": 2}, {"CPU": 2.0}, {"CPU": 2.0}),
        ({"resources": {"a": 1}}, {"a": 1.0, "CPU": 1.0}, {"a": 1.0, "CPU": 1.0}),
        ({"num_gpus": 0.5}, {"GPU": 0.5, "CPU": 1.0}, {"GPU": 0.5, "CPU": 1.0}),
        ({"memory": 1000}, {"memory": 1000.0}, {"memory": 1000.0, "CPU": 1.0}),
        ({"num_cpus": 0, "resources": {"a": 1}}, {"a": 1.0}, {"a": 1.0}),
        ({"object_store_memory": 1000}, {"object_store_memory": 1000.0}, {"object_store_memory": 1000.0, "CPU": 1.0}),
    ],
    ids=str,
)
def test_what_an_actor_holds(options: dict[str, Any], held: dict[str, float], placed: dict[str, float]) -> None:
    assert actor_resources(options) == (held, placed)


def test_async_classes_are_found_by_any_coroutine_method(attached: Unattached) -> None:
    class Inherited:
        async def work(self) -> None:
            pass

    class Derived(Inherited):
        def plain(self) -> None:
            pass

    class Yields:
        async def items(self) -> Any:
            yield 1

    mobula.remote(Derived).remote()
    mobula.remote(Yields).remote()
    mobula.remote(Derived).options(max_concurrency=3).remote()
    assert [(s.actor.is_asyncio, s.actor.max_concurrency, s.actor.out_of_order) for s in attached.specs] == [
        (True, 1000, True), (True, 1000, True), (True, 3, True),
    ]  # fmt: skip


def test_order_cannot_be_kept_by_many_threads(attached: Unattached) -> None:
    with pytest.raises(ValueError, match="allow_out_of_order_execution"):
        _actor(max_concurrency=2, allow_out_of_order_execution=False)
    _actor(allow_out_of_order_execution=True)
    assert attached.specs[0].actor.out_of_order


def test_concurrency_groups(attached: Unattached) -> None:
    class Grouped:
        @mobula.method(concurrency_group="io")
        def read(self) -> None:
            pass

        def other(self) -> None:
            pass

    handle: Any = mobula.remote(concurrency_groups={"io": 2, "cpu": 1})(Grouped).remote()
    handle.read.remote()
    handle.read.options(concurrency_group="cpu").remote()
    handle.other.remote()
    created, *calls = attached.specs
    assert [(g.name, g.max_concurrency) for g in created.actor.groups] == [("io", 2), ("cpu", 1)]
    assert [spec.concurrency_group for spec in calls] == ["io", "cpu", ""]
    with pytest.raises(ValueError, match="no concurrency group 'gpu'"):
        handle.read.options(concurrency_group="gpu")
    with pytest.raises(ValueError, match=r"Grouped\.read is in concurrency group 'io'"):
        mobula.remote(Grouped).remote()


def test_what_a_call_sends(attached: Unattached) -> None:
    handle = _actor(max_task_retries=3)
    ref = handle.add.remote(5, twice=True)
    spec = attached.specs[1]
    assert (spec.type, spec.name, spec.method, spec.num_returns) == (pb.ACTOR_TASK, "Base.add", "add", 1)
    assert spec.actor_id == handle._actor
    assert ids.actor_of_task(spec.task_id) == handle._actor
    assert (spec.max_retries, spec.retry_exceptions, spec.function_id) == (3, False, b"")
    assert [arg.keyword for arg in spec.args] == ["", "twice"]
    assert ref.binary() == ids.return_id(spec.task_id, 1)


def test_options_of_methods_and_calls(attached: Unattached) -> None:
    handle = _actor()
    assert len(handle.two.remote()) == 2
    assert handle.add.options(num_returns=0, name="my call", max_task_retries=-1, retry_exceptions=True).remote(1) is None
    two, call = attached.specs[1:]
    assert (two.num_returns, two.max_retries, two.retry_exceptions) == (2, 5, True)
    assert pickle.loads(two.retry_allowlist) == (KeyError,)
    assert (call.name, call.num_returns, call.max_retries, call.retry_exceptions) == ("my call", 0, -1, True)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"no_such": 1}, TypeError),
        ({"num_cpus": 1}, TypeError),
        ({"num_returns": -1}, ValueError),
        ({"num_returns": "streaming"}, ValueError),
        ({"num_returns": 1.5}, TypeError),
        ({"name": 5}, TypeError),
        ({"concurrency_group": 5}, TypeError),
        ({"max_task_retries": "x"}, TypeError),
        ({"retry_exceptions": 5}, TypeError),
        ({"_labels": {"a": 1}}, ValueError),
        ({"_labels": {1: "a"}}, ValueError),
    ],
    ids=str,
)
def test_wrong_options_of_a_call(attached: Unattached, given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        _actor().add.options(**given)


def test_arguments_that_do_not_fit_are_refused_at_the_call(attached: Unattached) -> None:
    cls = mobula.remote(Base)
    for wrong in (lambda: cls.remote(), lambda: cls.remote(1, 2, 3), lambda: cls.remote(1, unknown=1)):
        with pytest.raises(TypeError):
            wrong()
    assert not attached.sent
    handle = cls.remote(1)
    for wrong in (
        lambda: handle.add.remote(),
        lambda: handle.add.remote(1, 2),
        lambda: handle.static.remote(),
        lambda: handle.of_class.remote(1, 2),
        lambda: handle.__ray_ready__.remote(1),
        lambda: handle.__ray_call__.remote(),
    ):
        with pytest.raises(TypeError):
            wrong()
    assert len(attached.specs) == 1
    for right in (handle.static, handle.of_class, handle.add):
        right.remote(1)
    handle.__ray_ready__.remote()
    handle.__ray_call__.remote(lambda self, x: x, 5)
    handle.__ray_terminate__.remote()


def test_names_that_are_no_method(attached: Unattached) -> None:
    handle = _actor()
    for name in ("no_such", "prop", "factor", "value"):
        with pytest.raises(AttributeError, match=name):
            getattr(handle, name)
    assert {"add", "two", "static", "of_class", "__ray_ready__"} <= set(dir(handle))
    assert repr(handle) == f"Actor(Base, {handle._actor.hex()})"


def test_direct_calls_are_refused(attached: Unattached) -> None:
    with pytest.raises(TypeError, match=r"object\.add\.remote\(\)"):
        _actor().add(1)
    with pytest.raises(TypeError, match=r"Instead of 'Base\(\)', use 'Base\.remote\(\)'"):
        mobula.remote(Base)(1)
    with pytest.raises(NotImplementedError):
        _actor().add.bind(1)


def test_no_class_derives_from_an_actor_class() -> None:
    actor_class: Any = mobula.remote(Base)
    with pytest.raises(mobula.actor.ActorClassInheritanceException, match="derive from the plain class"):

        class Derived(actor_class):
            pass

    assert issubclass(mobula.actor.ActorClassInheritanceException, TypeError)


def test_an_actor_class_shows_the_class() -> None:
    actor_class: Any = mobula.remote(Base)
    assert actor_class.factor == 3
    assert actor_class.__module__ == __name__
    assert actor_class.__doc__ == Base.__doc__
    with pytest.raises(AttributeError):
        actor_class.no_such  # noqa: B018


def test_actor_classes_pickle(attached: Unattached) -> None:
    actor_class = mobula.remote(max_restarts=2)(Base)
    actor_class.remote(1)
    again: ActorClass[Base] = cloudpickle.loads(cloudpickle.dumps(actor_class))
    again.remote(1)
    assert len(attached.exports) == 1, "a copy made in this session counts as exported"
    assert attached.specs[1].actor.max_restarts == 2


# ------------------------------------------------------------------------------------------ handles


@pytest.fixture
def counted() -> Any:
    gc.collect()
    refcount.clear()
    yield refcount
    refcount.clear()


def test_a_handle_is_counted_with_its_creation_and_gone_with_its_end(attached: Unattached, counted: Any) -> None:
    handle = _actor()
    actor_id = handle._actor
    assert not counted.handles_added
    assert not counted.handles_dropped
    method = handle.add
    del handle
    assert not counted.handles_dropped, "a method holds its handle"
    del method
    assert list(counted.handles_dropped) == [actor_id]


def test_a_handle_inside_a_value_is_contained_and_counted_where_it_is_loaded(attached: Unattached, counted: Any) -> None:
    handle = _actor()
    serialized = serialize([handle])
    assert serialized.contained == [ids.actor_handle_id(handle._actor)]
    failed, (again,) = deserialize(serialized.to_bytes(), serialized.metadata)
    assert not failed
    assert again == handle
    assert hash(again) == hash(handle)
    assert again is not handle
    assert list(counted.handles_added) == [handle._actor]
    again.add.remote(1)
    assert attached.specs[-1].actor_id == handle._actor
    with pytest.raises(TypeError):
        again.add.remote()


def test_a_handle_pickled_by_hand_stays(attached: Unattached, counted: Any) -> None:
    handle = _actor()
    pickled = pickle.dumps(handle)
    del handle
    gc.collect()
    assert not counted.handles_dropped
    assert isinstance(pickle.loads(pickled), actor_handle.ActorHandle)
    actor_handle._forget_pinned()
    gc.collect()
    assert counted.handles_dropped


def test_equality_and_copies(attached: Unattached) -> None:
    a, b = _actor(), _actor()
    assert a != b
    assert a != 5
    assert a is not None
    assert copy.copy(a) is a
    assert copy.deepcopy([a])[0] is a
    assert pickle.loads(pickle.dumps(a.add))._handle == a


def test_names_are_registered_by_request(attached: Unattached) -> None:
    made = b"a" * 12 + JOB
    attached.replies.append(pb.Reply(actor=pb.ActorInfo(actor_id=made, created=True)))
    handle = _actor(name="n")
    assert handle._actor == made
    assert not attached.specs
    asked = attached.requests[0].register_actor
    assert (asked.spec.actor.name, asked.get_if_exists) == ("n", False)
    assert not [one for one in attached.sent if one.HasField("actor_handles")]  # the answer has brought the count


def test_get_if_exists_takes_the_description_of_the_one_that_is_there(attached: Unattached) -> None:
    class Other:
        def only_here(self) -> None:
            pass

    found = class_description.describe(Other).encode()
    attached.replies.append(pb.Reply(actor=pb.ActorInfo(actor_id=b"b" * 16, handle=found)))
    assert hasattr(_actor(name="n", get_if_exists=True), "only_here")


def test_get_actor(attached: Unattached) -> None:
    encoded = class_description.describe(Base).encode()
    attached.replies.append(pb.Reply(actor=pb.ActorInfo(actor_id=b"b" * 16, handle=encoded)))
    assert mobula.get_actor("x", namespace="there").add
    asked = attached.requests[0].lookup_actor
    assert (asked.name, asked.namespace) == ("x", "there")
    for wrong, error in (("", ValueError), (None, ValueError), (5, TypeError)):
        with pytest.raises(error):
            mobula.get_actor(wrong)  # type: ignore[arg-type]
    for wrong, error in (("", ValueError), (5, TypeError)):
        with pytest.raises(error):
            mobula.get_actor("x", namespace=wrong)  # type: ignore[arg-type]


def test_max_pending_calls_counts_the_calls_of_one_handle(attached: Unattached) -> None:
    handle = _actor(max_pending_calls=2)
    first, second = handle.add.remote(1), handle.add.remote(2)
    with pytest.raises(mobula.exceptions.PendingCallsLimitExceeded, match="max_pending_calls=2"):
        handle.add.remote(3)
    attached.ready.add(first.binary())
    handle.add.remote(4)
    assert second.binary() not in attached.ready
    with pytest.raises(mobula.exceptions.PendingCallsLimitExceeded):
        handle.add.remote(5)


def test_generator_methods_stream_unless_the_number_is_fixed(attached: Unattached) -> None:
    handle = _actor()
    assert isinstance(handle.stream.remote(), mobula.ObjectRefGenerator)
    assert len(handle.stream.options(num_returns=2).remote()) == 2


def test_exit_actor_outside_of_an_actor_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="outside of an actor"):
        mobula.actor.exit_actor()
