"""What follows from the resources of a task: environment variables, set before user code is loaded, and its GPUs.

`OMP_NUM_THREADS` is the number of whole CPUs the task or actor holds (at least 1), unless the user has set it: without it every
worker would start a BLAS thread for each core of the machine. Ray does the same (`_private/utils.py`).
`CUDA_VISIBLE_DEVICES` names the GPUs that the core has given, by the names they have where the session was started: with
`CUDA_VISIBLE_DEVICES=4,7` there, the first GPU is "4". Work that holds no GPU finds it as the session was started with, or empty
with `RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1`; with `RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES=1` it is never touched.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final

OMP: Final = "OMP_NUM_THREADS"
CUDA: Final = "CUDA_VISIBLE_DEVICES"
OVERRIDE_ON_ZERO: Final = "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"
LEAVE_CUDA: Final = "RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES"

_assigned: list[str] = []


def assigned_gpus() -> list[str]:
    """The GPUs of the task or actor of this process, under the names CUDA_VISIBLE_DEVICES has for them."""
    return list(_assigned)


def _is_on(name: str) -> bool:
    return os.environ.get(name, "").strip().lower() in ("1", "true")


class Environment:
    """Keeps the variables in step with the resources of what runs; writes only what changes."""

    def __init__(self) -> None:
        self._sets_threads = OMP not in os.environ
        self._threads = 0
        self._leaves_gpus = _is_on(LEAVE_CUDA)
        self._started_with = self._shown = os.environ.get(CUDA)
        self._without_gpu = "" if _is_on(OVERRIDE_ON_ZERO) else self._started_with
        self._names = [name.strip() for name in (self._started_with or "").split(",") if name.strip()]

    def apply(self, resources: Mapping[str, float], gpus: Sequence[int] = ()) -> None:
        """Called before each normal task and once for an actor; `gpus` are the core's numbers, from 0."""
        global _assigned
        if self._sets_threads:
            threads = max(int(resources.get("CPU", 1)), 1)
            if threads != self._threads:
                os.environ[OMP] = str(threads)
                self._threads = threads
        names = [self._names[gpu] if gpu < len(self._names) else str(gpu) for gpu in gpus]
        _assigned = names
        if not self._leaves_gpus:
            self._show(",".join(names) if names else self._without_gpu)

    def _show(self, visible: str | None) -> None:
        if visible == self._shown:
            return
        if visible is None:
            os.environ.pop(CUDA, None)
        else:
            os.environ[CUDA] = visible
        self._shown = visible
