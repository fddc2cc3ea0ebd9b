"""How one option value is checked: what type it may have, and what value.

Owns the two questions asked of every option in the order Ray asks them (TypeError first, then ValueError) and the rules
that several options share. It refuses to know which options exist; options.py has the tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

# Amounts are kept in ten-thousandths, so that fractions add up exactly.
RESOURCE_STEP = 0.0001


class Option(NamedTuple):
    """One keyword: the types it takes, and a function that gives a sentence when the value will not do (or None)."""

    types: tuple[type, ...]
    complaint: Callable[[Any], str | None] | None = None

    def check(self, keyword: str, value: object) -> None:
        """Raises TypeError or ValueError when the value will not do."""
        if not isinstance(value, self.types):
            raise TypeError(f"option {keyword!r} takes {_type_names(self.types)}, not {value!r} of type {type(value).__name__}")
        sentence = self.complaint(value) if self.complaint is not None else None
        if sentence:
            raise ValueError(f"option {keyword!r}: {sentence}")


def _type_names(types: tuple[type, ...]) -> str:
    names = ["None" if t is type(None) else t.__name__ for t in types]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]


NONE = type(None)


def whole_number(*, forever: bool, least: int = 0) -> Option:
    """An int or None; `forever` allows -1, which stands for no limit."""

    def complaint(value: int | None) -> str | None:
        if value is None or value >= least or (forever and value == -1):
            return None
        also = " or -1 (no limit)" if forever else ""
        return f"takes None, a whole number from {least} on{also}; it was {value}"

    return Option((int, NONE), complaint)


def amount(*, whole_above_one: bool = False) -> Option:
    """A quantity of a resource: int, float or None."""

    def complaint(value: float | None) -> str | None:
        return None if value is None else amount_complaint(value, whole_above_one=whole_above_one)

    return Option((float, int, NONE), complaint)


def amount_complaint(value: float, *, whole_above_one: bool = False) -> str | None:
    """What is wrong with a quantity of a resource, or None."""
    if value < 0:
        return f"a quantity cannot be negative, it was {value}"
    if isinstance(value, float):
        if not math.isfinite(value):
            return f"a quantity must be a finite number, it was {value}"
        if 0 < value < RESOURCE_STEP:
            return f"a quantity cannot be finer than {RESOURCE_STEP}, it was {value}"
        if whole_above_one and value > 1 and not value.is_integer():
            return f"above 1 a quantity of this resource must be a whole number, it was {value}"
    return None


def custom_resources_complaint(resources: dict[str, float] | None) -> str | None:
    """What is wrong with `resources={...}`, or None. TypeError for names and amounts of a wrong type."""
    for name, value in (resources or {}).items():
        if not isinstance(name, str):
            raise TypeError(f"option 'resources': a resource's name is a str, not {name!r}")
        if name in ("CPU", "GPU"):
            return f"{name} is not given here: use num_{name.lower()}s="
        if not isinstance(value, (int, float)):
            raise TypeError(f"option 'resources': the quantity of {name!r} is a number, not {value!r}")
        sentence = amount_complaint(value)
        if sentence:
            return f"{name!r}: {sentence}"
    return None


def text_pairs(what: str) -> Option:
    """A dict of str to str, or None; ValueError for others, as Ray has it for labels."""

    def complaint(value: dict[Any, Any] | None) -> str | None:
        for name, text in (value or {}).items():
            if not isinstance(name, str):
                return f"the keys of {what} are str, not {name!r}"
            if not isinstance(text, str):
                return f"the values of {what} are str, not {text!r}"
        return None

    return Option((dict, NONE), complaint)


def exceptions_complaint(value: object) -> str | None:
    """What is wrong with `retry_exceptions`, or None."""
    if isinstance(value, bool):
        return None
    for one in value if isinstance(value, (list, tuple)) else (value,):
        if not (isinstance(one, type) and issubclass(one, Exception)):
            return f"takes True, False or a list of exception classes; {one!r} is none"
    return None


def positive_or_minus_one(value: int | None) -> str | None:
    """What is wrong with a limit that is positive, -1 (off) or None."""
    if value is None or value > 0 or value == -1:
        return None
    return f"takes a number above 0, or -1 for no limit; it was {value}"
