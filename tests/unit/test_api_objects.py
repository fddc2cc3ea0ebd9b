"""get, put, wait, cancel and kill: what they refuse before anything is sent, and what they send."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from api_kit import JOB, Unattached, attached

import mobula
from mobula import session
from mobula._core import ids, process
from mobula._core.pb import boundary_pb2 as pb

__all__ = ["attached"]

REF = mobula.ObjectRef(b"\x00" * 24 + b"\x01\x00\x00\x00")
OTHER = mobula.ObjectRef(b"\x01" * 24 + b"\x01\x00\x00\x00")


@pytest.mark.parametrize("thing", [5, "ref", None, (REF,), {REF}, {"k": REF}, iter([REF])], ids=lambda x: type(x).__name__)
def test_get_of_something_else_is_a_value_error(attached: Unattached, thing: Any) -> None:
    with pytest.raises(ValueError, match=r"get\(\) takes an ObjectRef or a list"):
        mobula.get(thing)


@pytest.mark.parametrize("thing", [[REF, 5], [[REF]], [None]], ids=str)
def test_get_of_a_list_that_holds_something_else_is_a_type_error(attached: Unattached, thing: Any) -> None:
    with pytest.raises(TypeError):
        mobula.get(thing)


def test_get_passes_refs_on(attached: Unattached) -> None:
    assert mobula.get(REF) == REF.binary()
    assert mobula.get([REF, OTHER, REF], timeout=1) == [REF.binary(), OTHER.binary(), REF.binary()]
    assert mobula.get([]) == []


@pytest.mark.parametrize("timeout", [-1, -0.5, float("nan")])
def test_a_timeout_is_not_negative(attached: Unattached, timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        mobula.get(REF, timeout=timeout)
    with pytest.raises(ValueError, match="timeout"):
        mobula.wait([REF], timeout=timeout)


def test_a_timeout_is_a_number(attached: Unattached) -> None:
    with pytest.raises(TypeError, match="timeout"):
        mobula.get(REF, timeout="soon")  # type: ignore[call-overload]


@pytest.mark.parametrize("thing", [REF, (REF,), {REF}, iter([REF]), [REF, 1], [None], None], ids=lambda x: type(x).__name__)
def test_wait_takes_a_list_of_refs(attached: Unattached, thing: Any) -> None:
    with pytest.raises(TypeError):
        mobula.wait(thing)


@pytest.mark.parametrize("count", [0, -1, 3])
def test_an_impossible_number_of_returns(attached: Unattached, count: int) -> None:
    with pytest.raises(ValueError, match="num_returns"):
        mobula.wait([REF, OTHER], num_returns=count)


def test_wait_refuses_duplicates_and_takes_nothing(attached: Unattached) -> None:
    with pytest.raises(ValueError, match="twice"):
        mobula.wait([REF, REF])
    assert mobula.wait([]) == ([], [])
    assert mobula.wait([REF, OTHER], num_returns=2, timeout=0) == ([], [REF, OTHER])
    assert attached.waits == [([REF, OTHER], 2, 0)]


def test_options_of_get_wait_and_cancel_are_keywords(attached: Unattached) -> None:
    for call in (lambda: mobula.get(REF, 1), lambda: mobula.wait([REF], 1), lambda: mobula.cancel(REF, True)):  # type: ignore[call-overload,misc,arg-type]
        with pytest.raises(TypeError):
            call()


def test_put(attached: Unattached) -> None:
    ref = mobula.put({"a": 1})
    (put,) = [one.put for one in attached.sent]
    assert put.object_id == ref.binary()
    assert ids.task_of_object(ref.binary())[1:] == ids.driver_task_id(JOB)[1:]
    assert ref._value == (put.value.data, put.value.metadata), "what was put need not be asked for"
    with pytest.raises(TypeError, match="inside a list"):
        mobula.put(ref)
    with pytest.raises(TypeError, match=r"Could not serialize the value.*_thread\.lock"):
        mobula.put(threading.Lock())
    with pytest.raises(ValueError, match="_owner"):
        mobula.put(1, _owner=5)
    mobula.put([ref])


@pytest.mark.parametrize("thing", [None, 7, "abc", b"\x00" * 28, {}, [REF]], ids=lambda x: type(x).__name__)
def test_cancel_refuses_what_is_not_a_ref(attached: Unattached, thing: Any) -> None:
    with pytest.raises(TypeError, match="for actors there is kill"):
        mobula.cancel(thing)


def test_what_cancel_sends(attached: Unattached) -> None:
    normal = mobula.ObjectRef(ids.return_id(ids.normal_task_id(JOB, ids.driver_task_id(JOB), 1), 1))
    mobula.cancel(normal)
    mobula.cancel(normal, force=True, recursive=False)
    put = mobula.put(1)
    mobula.cancel(put, force=True)
    asked = [one.cancel for one in attached.sent if one.HasField("cancel")]
    assert [(one.object_id, one.force, one.recursive) for one in asked] == [
        (normal.binary(), False, True), (normal.binary(), True, False), (put.binary(), True, True),
    ]  # fmt: skip
    assert not attached.requests


def test_force_is_refused_for_actor_tasks_and_not_for_what_they_put(attached: Unattached) -> None:
    task = ids.actor_task_id(b"a" * 12 + JOB, JOB, ids.driver_task_id(JOB), 1)
    with pytest.raises(ValueError, match="force"):
        mobula.cancel(mobula.ObjectRef(ids.return_id(task, 1)), force=True)
    assert not attached.sent
    put = mobula.ObjectRef(ids.put_id(task, 1))
    mobula.cancel(put, force=True)
    assert [one.cancel.object_id for one in attached.sent] == [put.binary()]
    assert not attached.requests  # known from the id alone


@pytest.mark.parametrize("thing", [None, 1, "name", object(), REF], ids=lambda x: type(x).__name__)
def test_kill_takes_only_actor_handles(attached: Unattached, thing: Any) -> None:
    with pytest.raises(ValueError, match="for tasks there is cancel"):
        mobula.kill(thing)


def test_what_kill_sends(attached: Unattached) -> None:
    class Plain:
        pass

    handle = mobula.remote(Plain).remote()
    mobula.kill(handle)
    mobula.kill(handle, no_restart=False)
    asked = [one.kill_actor for one in attached.sent if one.HasField("kill_actor")]
    assert [(one.actor_id, one.no_restart) for one in asked] == [(handle._actor, True), (handle._actor, False)]


def test_resources(attached: Unattached) -> None:
    reply = pb.ClusterInfoReply(
        total=[pb.Resource(name="CPU", amount=2)], available=[pb.Resource(name="CPU", amount=0), pb.Resource(name="a", amount=1)]
    )
    attached.replies += [pb.Reply(cluster_info=reply)] * 2
    assert mobula.cluster_resources() == {"CPU": 2.0}
    assert mobula.available_resources() == {"a": 1.0}


def test_where_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_current", None)
    for call in (mobula.cluster_resources, mobula.available_resources, mobula.nodes):
        with pytest.raises(mobula.exceptions.RaySystemError, match=r"mobula\.init\(\)"):
            call()
    with pytest.raises(RuntimeError, match=r"mobula\.init\(\)"):
        mobula.timeline()
    assert mobula.get_gpu_ids() == []
    assert not mobula.is_initialized()
    mobula.shutdown()


def test_first_use_starts_a_session_unless_that_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    monkeypatch.setattr(process, "_current", None)
    monkeypatch.setattr(process, "_auto_init", session._start_for_first_use)
    monkeypatch.setattr(session, "_module", process)

    def start(settings: Any) -> None:
        started.append(settings)
        monkeypatch.setattr(process, "_current", Unattached())

    monkeypatch.setattr(session, "_start", start)
    monkeypatch.setattr(session, "_context", lambda: None)
    monkeypatch.setenv("RAY_ENABLE_AUTO_CONNECT", "0")
    with pytest.raises(mobula.exceptions.RaySystemError, match="RAY_ENABLE_AUTO_CONNECT"):
        mobula.put(1)
    monkeypatch.setenv("RAY_ENABLE_AUTO_CONNECT", "1")
    mobula.put(1)
    mobula.put(2)
    assert len(started) == 1
