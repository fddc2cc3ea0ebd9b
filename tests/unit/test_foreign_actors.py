"""What is known here of an actor that stock Ray made, without a cluster. The pickles are written as Ray writes them: by cloudpickle
under the name of its copy inside Ray."""

from __future__ import annotations

import inspect
import json
import logging
import pickle
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import cloudpickle
import pytest

import mobula
from mobula import actor_handle, foreign_actor, session
from mobula._values import classes, rayhandle, stock

ACTOR = b"a" * 16
FIELDS: dict[str, Any] = {
    "actor_id": ACTOR, "caller": b"c" * 24, "owner": b"its owner", "job_id": b"\x07\0\0\0", "module": "somewhere",
    "class_name": "Theirs", "function_hash": "h", "cursor": b"o" * 28, "is_async": False, "max_task_retries": 2, "name": "n",
    "namespace": "s", "out_of_order": False, "max_pending_calls": -1, "events": True, "detached": True, "description": b"",
}  # fmt: skip


class Table:
    """A process that has the function table and nothing else."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.asked: list[bytes] = []
        self.sent: list[Any] = []

    def kv_get(self, namespace: str, key: bytes) -> bytes | None:
        assert namespace == "fun"
        self.asked.append(key)
        return self.entries.get(key)

    def mutate(self, *mutations: Any) -> None:
        self.sent += mutations

    def export(self, pickled: bytes, *names: str) -> None:
        table = {"class": pickled, "class_name": "Theirs", "module": "somewhere", "actor_method_names": json.dumps(names)}
        self.entries[foreign_actor.table_key(rayhandle.read(rayhandle.write(**FIELDS)))] = pickle.dumps(table)


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    made = Table()
    monkeypatch.setattr(session, "process", lambda: made)
    stock.enter(b"this driver")
    yield made
    stock.leave()


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], types.ModuleType]:
    """Makes a module that goes before the test loads anything."""

    def make(name: str) -> types.ModuleType:
        module = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return make


def theirs(cls: type) -> bytes:
    cls.__module__ = "__main__"  # by value, as Ray's driver pickles a class that it has made an actor class of
    pickled: bytes = cloudpickle.dumps(cls, protocol=3)  # which has no frames, whose lengths would change
    assert b"ccloudpickle.cloudpickle\n" in pickled
    return pickled.replace(b"ccloudpickle.cloudpickle\n", b"cray.cloudpickle.cloudpickle\n")


def met() -> foreign_actor.ForeignDescription:
    return foreign_actor.ForeignDescription(rayhandle.read(rayhandle.write(**FIELDS)))


def plain(cls: type, *names: str) -> tuple[bytes, list[str]]:
    return theirs(cls), [name for name, _ in inspect.getmembers(cls, inspect.isfunction)] + list(names)


def test_the_class_says_what_its_methods_are(table: Table) -> None:
    class Theirs:
        @mobula.method(num_returns=2)
        def both(self, a: int, b: int = 1) -> tuple[int, int]:
            return a, b

        def count(self) -> Iterator[int]:
            yield 1

    pickled, names = plain(Theirs)
    table.export(pickled, *names)
    description = met()
    assert repr(description.class_name) == "'Theirs'"
    assert (description.max_task_retries, description.groups) == (2, None)
    assert not table.asked, "nobody has asked for a method yet"
    assert set(description.methods) == {"both", "count"}
    assert description.methods["both"].num_returns == 2
    assert description.methods["count"].is_generator
    with pytest.raises(TypeError):
        description.fitting("both").check((), {})
    again = met()
    assert again.methods is description.methods
    assert len(table.asked) == 1, "once a session"
    with pytest.raises(AttributeError):
        description.no_such  # noqa: B018


def test_what_is_not_here_is_stood_in_for(table: Table, missing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    far = missing("far_away")
    far.Base = type("Base", (), {"__module__": "far_away", "inherited": lambda self, x: x})

    class Theirs(far.Base):
        def uses(self) -> Any:
            return far, far.Base

    pickled, names = plain(Theirs)
    monkeypatch.delitem(sys.modules, "far_away")
    table.export(pickled, *names)
    methods = met().methods
    assert set(methods) == {"inherited", "uses"}, "and nothing that the stand-in has"
    assert [name for name, _, _ in methods["inherited"].shape] == ["args", "kwargs"]
    assert methods["uses"].shape == ()


def test_a_class_that_was_looked_at_is_not_that_of_values() -> None:
    class Theirs:
        pass

    pickled = theirs(Theirs)
    assert classes.load(pickled) is not classes.load(pickled)
    assert classes.load(pickled) is not Theirs


def test_a_class_that_cannot_be_loaded_has_the_names_of_its_methods(table: Table, caplog: pytest.LogCaptureFixture) -> None:
    table.export(b"no pickle", "one", "two")
    with caplog.at_level(logging.WARNING, "mobula"):
        methods = met().methods
    assert set(methods) == {"one", "two"}
    assert "Theirs of an actor that stock Ray made cannot be loaded here" in caplog.text


def test_what_cannot_be_called_is_said(table: Table) -> None:
    with pytest.raises(NotImplementedError, match=r"nothing of class somewhere\.Theirs"):
        met().methods  # noqa: B018
    java = rayhandle.read(rayhandle.write(**{**FIELDS, "class_name": "", "module": ""}))
    with pytest.raises(NotImplementedError, match="not written in Python"):
        foreign_actor.ForeignDescription(java).methods  # noqa: B018


def test_a_handle_out_of_a_value_is_told_of_once(table: Table) -> None:
    message = rayhandle.write(**FIELDS)
    for _ in range(2):
        handle = actor_handle.restore_stock(message, False)
    (told,) = table.sent
    assert (told.meet_actor.actor_id, told.meet_actor.class_name, told.meet_actor.function_hash) == (ACTOR, "Theirs", "h")
    assert repr(handle) == f"Actor(Theirs, {ACTOR.hex()})"
    stock.leave()
    with pytest.raises(ValueError, match="has not joined"):
        actor_handle.restore_stock(message, False)
