"""What a worker's line tells of a bar, and the API of `tqdm_ray` as Ray has it."""

from __future__ import annotations

import doctest
import inspect
import json

import pytest

from mobula._core import bars
from mobula.experimental import tqdm_ray

TOLD = {
    "__magic_token__": bars.TOKEN, "x": 3, "pos": 0, "desc": "d", "total": None, "unit": "it", "ip": "127.0.0.1", "pid": 7,
    "uuid": "u", "closed": False,
}  # fmt: skip


def test_a_line_of_rays_own_file_is_understood() -> None:
    state = bars.parse(json.dumps(TOLD))
    assert state == {name: value for name, value in TOLD.items() if name not in ("__magic_token__", "ip")}


@pytest.mark.parametrize(
    "line", ["", "hello", bars.TOKEN, f'{{"{bars.TOKEN}": 1}}', json.dumps({**TOLD, "pid": "x"}), f'["{bars.TOKEN}"]']
)
def test_other_lines_are_lines(line: str) -> None:
    assert bars.parse(line) is None


def test_it_takes_what_rays_takes() -> None:
    taken = list(inspect.signature(tqdm_ray.tqdm).parameters)
    assert taken == ["iterable", "desc", "total", "unit", "position", "flush_interval_s"]
    bar = tqdm_ray.tqdm(range(5), desc="d")
    assert (bar.total, bar.n) == (5, 0)
    bar.total, bar.n = 9, 4
    assert (bar.total, bar.n) == (9, 4)
    with pytest.raises(ValueError, match="no iterable"):
        next(iter(tqdm_ray.tqdm(total=1)))


def test_other_names_of_experimental_are_refused_in_words() -> None:
    import mobula.experimental

    with pytest.raises(AttributeError, match=r"mobula has no mobula\.experimental\.nonsense"):
        mobula.experimental.nonsense  # noqa: B018


def test_the_examples_hold() -> None:
    pytest.importorskip("tqdm")
    assert doctest.testmod(tqdm_ray).failed == 0
    assert doctest.testmod(bars).failed == 0
