"""Row 18, an addition. Ray 2.60: a caught RayTaskError as an argument fails the new task, and `pickle.dumps` of one fails.
Here it is a value like any other.
"""

from __future__ import annotations

import copy
import pickle

import pytest

import mobula

RayTaskError = mobula.exceptions.RayTaskError


class Refused(ValueError):
    """With what a pickle by arguments alone would lose."""

    def __init__(self, code: int, *, hint: str) -> None:
        super().__init__(f"refused with {code}")
        self.code = code
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        return _refused, (self.code, self.hint)


def _refused(code: int, hint: str) -> Refused:
    return Refused(code, hint=hint)


@mobula.remote(max_retries=0)
def refuse() -> None:
    raise Refused(7, hint="none")


@mobula.remote
def describe(error: BaseException) -> tuple[str, bool, int]:
    return str(error), isinstance(error, RayTaskError), error.code  # type: ignore[attr-defined]


@mobula.remote
def give_back(error: list[BaseException]) -> list[BaseException]:
    return error


def caught() -> RayTaskError:
    with pytest.raises(Refused) as info:
        mobula.get(refuse.remote())
    assert isinstance(info.value, RayTaskError)
    return info.value


def test_as_an_argument() -> None:
    error = caught()
    assert mobula.get(describe.remote(error)) == (str(error), True, 7)


def test_inside_a_list_there_and_back() -> None:
    [back] = mobula.get(give_back.remote([caught()]))
    assert isinstance(back, Refused)
    assert isinstance(back, RayTaskError)
    assert isinstance(back.cause, Refused)
    assert back.hint == "none"


def test_put_and_got_it_is_not_raised() -> None:
    back = mobula.get(mobula.put(caught()))
    assert isinstance(back, Refused)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_by_hand(protocol: int) -> None:
    error = caught()
    back = pickle.loads(pickle.dumps(error, protocol))
    assert type(back).__mro__[1:] == type(error).__mro__[1:]
    assert str(back) == str(error)


def test_copied() -> None:
    error = caught()
    for back in (copy.copy(error), copy.deepcopy(error)):
        assert isinstance(back, Refused)
        assert str(back) == str(error)


def test_raised_again_by_the_task_that_got_it() -> None:
    @mobula.remote(max_retries=0)
    def again(error: BaseException) -> None:
        raise error

    with pytest.raises(Refused) as info:
        mobula.get(again.remote(caught()))
    assert isinstance(info.value.cause, Refused)  # type: ignore[attr-defined]
