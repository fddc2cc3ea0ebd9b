"""Labels of machines and what may be asked of them: the texts of `label_selector=`, and Ray's operators `In`, `NotIn`, ….

Owns the syntax (Kubernetes' for keys and values) and the form of a selector on the wire. It refuses to match: the core does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from mobula._core.pb import boundary_pb2 as pb

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
# Ray lets the parts between the dots be empty.
_PART = r"([A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)?"
_PREFIX = re.compile(rf"{_PART}(\.{_PART})*")
_LONGEST_PREFIX = 253
_SELECTOR = re.compile(r"(?P<no>!?)(?:in\((?P<many>[^()]*)\)|(?P<one>[^()!]*))")

_RULE = "at most 63 letters, digits, '-', '_' and '.', the first and the last a letter or digit"


class In:
    """The label is there and has one of the values. ValueError for no value, or one that is not a text."""

    def __init__(self, *values: str) -> None:
        self.values = _texts("In", values)


class NotIn:
    """The label has none of the values, or is not there. ValueError for no value, or one that is not a text."""

    def __init__(self, *values: str) -> None:
        self.values = _texts("NotIn", values)


class Exists:
    """The label is there, whatever its value."""


class DoesNotExist:
    """The label is not there."""


Operator: TypeAlias = In | NotIn | Exists | DoesNotExist
OPERATORS = (In, NotIn, Exists, DoesNotExist)


def _texts(name: str, values: tuple[Any, ...]) -> list[str]:
    if not values:
        raise ValueError(f"{name}() needs the values it means: {name}('value1', 'value2')")
    for value in values:
        if not isinstance(value, str):
            raise ValueError(f"{name}() takes texts, not {value!r} of type {type(value).__name__}")
    return list(values)


def selector_complaint(selector: Mapping[Any, Any] | None) -> str | None:
    """What is wrong with a dict of label to condition, or None. TypeError for a key that is not a text."""
    for key, condition in (selector or {}).items():
        if not isinstance(key, str):
            raise TypeError(f"the keys of a label selector are str, not {key!r}")
        if not isinstance(condition, str):
            return f"the values of a label selector are str, not {condition!r}"
        sentence = _key_complaint(key) or _condition_complaint(condition)
        if sentence:
            return sentence
    return None


def _key_complaint(key: str) -> str | None:
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > _LONGEST_PREFIX or not _PREFIX.fullmatch(prefix)):
        return f"label {key!r}: what stands before the '/' is a domain name of at most {_LONGEST_PREFIX} characters"
    return None if _NAME.fullmatch(name) else f"label {key!r}: a name has {_RULE}"


def _condition_complaint(condition: str) -> str | None:
    found = _SELECTOR.fullmatch(condition)
    if condition == "":
        return None
    if found is None:
        return f"{condition!r} is no condition on a label: give 'a', '!a', 'in(a, b)' or '!in(a, b)'"
    for value in [found["one"]] if found["many"] is None else _listed(found["many"]):
        if not _NAME.fullmatch(value):
            return f"{condition!r} is no condition on a label: the value {value!r} does not have {_RULE}"
    return None


def _listed(values: str) -> list[str]:
    """The values of in(…). One blank may stand after a comma, as in Ray; any other is part of a value, and wrong."""
    return [value.removeprefix(" ") if place else value for place, value in enumerate(values.split(","))]


def of_texts(selector: Mapping[str, str] | None) -> list[pb.LabelMatch]:
    """A checked `label_selector` as messages."""
    from mobula._core.pb import boundary_pb2 as pb

    matches = []
    for key, condition in (selector or {}).items():
        found = _SELECTOR.fullmatch(condition)
        assert found is not None, "it was checked"
        values = [found["one"]] if found["many"] is None else _listed(found["many"])
        matches.append(pb.LabelMatch(key=key, values=values, **{"not": bool(found["no"])}))
    return matches


def of_operators(conditions: Iterable[tuple[str, Operator]]) -> list[pb.LabelMatch]:
    """Conditions on labels as messages."""
    from mobula._core.pb import boundary_pb2 as pb

    return [
        pb.LabelMatch(
            key=key,
            values=condition.values if isinstance(condition, (In, NotIn)) else [],
            **{"not": isinstance(condition, (NotIn, DoesNotExist))},
        )
        for key, condition in conditions
    ]
