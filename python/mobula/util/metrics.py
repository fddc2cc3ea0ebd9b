"""Counters, gauges and histograms of the user's own, under Ray's names.

Owns the figures of this process; `snapshot` reads them. There is no exporter: what a task records stays with the worker
process that ran it. Objects of one name share their figures, so one that a task got by value records into its process's own.
"""

from __future__ import annotations

import bisect
import re
import threading
import warnings
from collections.abc import Sequence
from typing import Any

__all__ = ["Counter", "Gauge", "Histogram", "Metric", "snapshot"]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")

#: By kind and name, then by the tags' pairs: a number, or the list of a histogram.
_figures: dict[tuple[str, str], dict[tuple[tuple[str, str], ...], Any]] = {}
_lock = threading.Lock()


class Metric:
    """What the three kinds share: name, description, tags. Not made directly.

    Raises ValueError for an empty name and TypeError for tag keys that are no tuple of texts; a name with other characters
    than letters, digits, `_` and `:` is warned of, and nothing is kept for it.
    """

    def __init__(self, name: str, description: str = "", tag_keys: tuple[str, ...] | None = None) -> None:
        if not isinstance(name, str):
            raise TypeError(f"the name of a metric is a text, not {name!r}")
        if not name:
            raise ValueError("the name of a metric cannot be empty")
        if tag_keys is not None and not isinstance(tag_keys, tuple):
            raise TypeError(f"tag_keys is a tuple of texts, not {tag_keys!r}")
        for key in tag_keys or ():
            if not isinstance(key, str):
                raise TypeError(f"tag_keys is a tuple of texts, and this one holds {key!r}")
        self._kept = _NAME.match(name) is not None
        if not self._kept:
            warnings.warn(
                f"{name!r} is no name for a metric, so nothing is kept for it: letters, digits, _ and : are allowed, "
                "and a digit not in front",
                stacklevel=3,
            )
        self._name = name
        self._description = description
        self._tag_keys = tag_keys or ()
        self._default_tags: dict[str, str] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Made anew where it arrives: on a cluster's worker it is Ray's own metric."""
        return type(self), self._made_of(), {"_default_tags": self._default_tags}

    def _made_of(self) -> tuple[Any, ...]:
        return self._name, self._description, self._tag_keys

    @property
    def info(self) -> dict[str, Any]:
        """Name, description, tag keys and default tags."""
        return {
            "name": self._name,
            "description": self._description,
            "tag_keys": self._tag_keys,
            "default_tags": dict(self._default_tags),
        }

    def set_default_tags(self, default_tags: dict[str, str]) -> Any:
        """Values of tags that a record does not give; returns the metric. Raises ValueError for keys it has not."""
        for key, value in default_tags.items():
            self._check_tag(key, value)
        self._default_tags = dict(default_tags)
        return self

    def _check_tag(self, key: str, value: object) -> None:
        if key not in self._tag_keys:
            raise ValueError(f"{self._name} has no tag key {key!r}; it has {list(self._tag_keys)}")
        if not isinstance(value, str):
            raise TypeError(f"the value of tag {key!r} is a text, not {value!r}")

    def _where(self, tags: dict[str, str] | None) -> tuple[tuple[str, str], ...]:
        """The tags of one record. Raises ValueError where one has no value, TypeError where one is no text."""
        given = {**self._default_tags, **(tags or {})}
        for key, value in given.items():
            if not isinstance(value, str):
                raise TypeError(f"the value of tag {key!r} is a text, not {value!r}")
        missing = [key for key in self._tag_keys if key not in given]
        if missing:
            raise ValueError(f"{self._name} needs a value for its tags {', '.join(missing)}")
        return tuple((key, given[key]) for key in self._tag_keys)

    def _series(self) -> dict[tuple[tuple[str, str], ...], Any]:
        """The figures of this name; called with the lock held."""
        return _figures.setdefault((type(self).__name__, self._name), {}) if self._kept else {}


def _number(value: object) -> float:
    if not isinstance(value, (int, float)):
        raise TypeError(f"a metric records numbers, not {value!r}")
    return float(value)


class Counter(Metric):
    """A number that only grows.

    >>> requests = Counter("requests", tag_keys=("route",))
    >>> requests.inc(2, tags={"route": "/"})
    >>> [one["value"] for one in snapshot() if one["name"] == "requests"]
    [2.0]
    """

    def inc(self, value: float = 1.0, tags: dict[str, str] | None = None) -> None:
        """Adds `value`. Raises ValueError unless it is above 0 and every tag has a value, TypeError for wrong types."""
        added = _number(value)
        if not added > 0:
            raise ValueError(f"a counter only grows: inc() takes a number above 0, not {value!r}")
        where = self._where(tags)
        with _lock:
            series = self._series()
            series[where] = series.get(where, 0.0) + added


class Gauge(Metric):
    """A number that was last set.

    >>> Gauge("level").set(3)
    >>> [one["value"] for one in snapshot() if one["name"] == "level"]
    [3.0]
    """

    def set(self, value: float | None, tags: dict[str, str] | None = None) -> None:
        """Sets the number; None records nothing. Raises ValueError where a tag has no value, TypeError for wrong types."""
        if value is None:
            return
        number, where = _number(value), self._where(tags)
        with _lock:
            self._series()[where] = number


class Histogram(Metric):
    """How many observations lie up to each boundary.

    Raises ValueError where there are no boundaries or one is not above 0.

    >>> latency = Histogram("latency", boundaries=[0.1, 1.0])
    >>> latency.observe(0.5)
    >>> [one["value"] for one in snapshot() if one["name"] == "latency"]
    [{'buckets': [0, 1, 0], 'sum': 0.5, 'count': 1}]
    """

    def __init__(
        self,
        name: str,
        description: str = "",
        boundaries: Sequence[float] | None = None,
        tag_keys: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(name, description, tag_keys)
        if not boundaries:
            raise ValueError(f"histogram {name!r} needs boundaries, such as [0.1, 1.0]")
        if any(one <= 0 for one in boundaries):
            raise ValueError(f"the boundaries of histogram {name!r} are numbers above 0, not {list(boundaries)}")
        self.boundaries = list(boundaries)

    def _made_of(self) -> tuple[Any, ...]:
        return self._name, self._description, self.boundaries, self._tag_keys

    @property
    def info(self) -> dict[str, Any]:
        """As of every metric, and the boundaries."""
        return {**super().info, "boundaries": self.boundaries}

    def observe(self, value: float, tags: dict[str, str] | None = None) -> None:
        """Counts one observation. Raises ValueError where a tag has no value, TypeError for wrong types."""
        number, where = _number(value), self._where(tags)
        edges = sorted(self.boundaries)
        with _lock:
            buckets, total, count = self._series().get(where, ([0] * (len(edges) + 1), 0.0, 0))
            if len(buckets) != len(edges) + 1:
                raise ValueError(f"histogram {self._name!r} was made with other boundaries before")
            buckets = list(buckets)
            buckets[bisect.bisect_left(edges, number)] += 1
            self._series()[where] = (buckets, total + number, count + 1)


def snapshot() -> list[dict[str, Any]]:
    """What was recorded in this process: a dict with `kind`, `name`, `tags` and `value` for each metric and set of tags.

    The value of a histogram is a dict with `buckets` (up to and with each boundary, then above the last), `sum` and `count`.
    An addition: Ray sends metrics to a Prometheus port instead.
    """
    with _lock:
        kept = [(kind, name, where, value) for (kind, name), series in _figures.items() for where, value in series.items()]
    return [
        {
            "kind": kind.lower(),
            "name": name,
            "tags": dict(where),
            "value": dict(zip(("buckets", "sum", "count"), value, strict=True)) if kind == "Histogram" else value,
        }
        for kind, name, where, value in kept
    ]
