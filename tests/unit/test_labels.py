"""The syntax of label selectors and operators, and what becomes of them on the wire."""

from __future__ import annotations

from typing import Any

import pytest

import mobula
from mobula import labels
from mobula._core.pb import boundary_pb2 as pb
from mobula.strategies import spec_fields
from mobula.util.scheduling_strategies import DoesNotExist, Exists, In, NodeLabelSchedulingStrategy, NotIn


def match(key: str, *values: str, no: bool = False) -> pb.LabelMatch:
    return pb.LabelMatch(key=key, values=values, **{"not": no})


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("a", match("k", "a")),
        ("!a", match("k", "a", no=True)),
        ("", match("k", "")),
        ("in(a)", match("k", "a")),
        ("in(a,b, c)", match("k", "a", "b", "c")),
        ("!in(a, b)", match("k", "a", "b", no=True)),
        ("a.b-c_9", match("k", "a.b-c_9")),
        ("in", match("k", "in")),
        ("x" * 63, match("k", "x" * 63)),
    ],
)
def test_conditions(condition: str, expected: pb.LabelMatch) -> None:
    assert labels.selector_complaint({"k": condition}) is None
    assert labels.of_texts({"k": condition}) == [expected]


# Refused by Ray 2.60 as well.
WRONG = [
    *({"k": text} for text in ("a b", "-a", "a-", "in()", "in( a , b)", "in(a,", "!!a", "in(a,b!c)", "not(a)", "!", "x" * 64, "é")),
    *({key: "a"} for key in ("", "-k", "k ", "x" * 64, "a_/k", "p" * 254 + "/k")),
    {"k": 1},
]


@pytest.mark.parametrize("selector", WRONG, ids=str)
def test_what_is_no_selector(selector: dict[str, Any]) -> None:
    assert labels.selector_complaint(selector)
    with pytest.raises(ValueError, match="label"):
        mobula.remote(label_selector=selector)(lambda: None)
    with pytest.raises(ValueError, match="fallback_strategy"):
        mobula.remote(label_selector={"k": "a"}, fallback_strategy=[{"label_selector": selector}])(lambda: None)


def test_keys_with_a_domain() -> None:
    keys = ("ray.io/node-id", "sub.domain.example/k", "a/" + "x" * 63, "a..b/k")
    assert labels.selector_complaint(dict.fromkeys(keys, "a")) is None


@pytest.mark.parametrize(
    "fallback", [[{"num_cpus": 2}], [{"label_selector": "a"}], [{}], [{"label_selector": {"k": "a"}, "memory": 1}]], ids=str
)
def test_what_is_no_fallback(fallback: list[Any]) -> None:
    with pytest.raises(ValueError, match="fallback_strategy"):
        mobula.remote(label_selector={"k": "a"}, fallback_strategy=fallback)(lambda: None)


def test_operators() -> None:
    strategy = NodeLabelSchedulingStrategy({"a": In("1", "2"), "b": NotIn("3")}, soft={"c": Exists()})
    assert [one.key for one in strategy.soft] == ["c"]
    hard = [match("a", "1", "2"), match("b", "3", no=True)]
    assert spec_fields({"scheduling_strategy": strategy}) == {"labels": [pb.LabelSelector(matches=hard)]}
    strategy = NodeLabelSchedulingStrategy({"d": DoesNotExist(), "e": Exists()})
    both = {"scheduling_strategy": strategy, "label_selector": {"k": "a"}, "fallback_strategy": [{"label_selector": None}]}
    always = [match("d", no=True), match("e")]
    assert spec_fields(both) == {"labels": [pb.LabelSelector(matches=[*always, match("k", "a")]), pb.LabelSelector(matches=always)]}
    assert spec_fields({"scheduling_strategy": NodeLabelSchedulingStrategy({}, soft={"c": Exists()})}) == {}
    # Said for clusters: one node has nothing to spread over.
    assert spec_fields({"scheduling_strategy": "SPREAD", "label_selector": {}}) == {"spread": True}


@pytest.mark.parametrize(
    "make",
    [
        In,
        NotIn,
        lambda: In(1),  # type: ignore[arg-type]
        lambda: NotIn("a", None),  # type: ignore[arg-type]
        lambda: NodeLabelSchedulingStrategy({}),
        lambda: NodeLabelSchedulingStrategy(None),
        lambda: NodeLabelSchedulingStrategy([("a", In("b"))]),  # type: ignore[arg-type]
        lambda: NodeLabelSchedulingStrategy({"a": "b"}),  # type: ignore[dict-item]
        lambda: NodeLabelSchedulingStrategy({1: In("b")}),  # type: ignore[dict-item]
        lambda: NodeLabelSchedulingStrategy({"a": In("b")}, soft="x"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_operator_or_strategy(make: Any) -> None:
    with pytest.raises(ValueError, match=r"In\(|\('value1'|NodeLabelSchedulingStrategy"):
        make()
