"""Environment variables that follow from a task's resources, set before user code is loaded.

`OMP_NUM_THREADS` is the number of whole CPUs the task or actor holds (at least 1), unless the user has set it: without it every
worker would start a BLAS thread for each core of the machine. Ray does the same (`_private/utils.py`).
With `RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1`, `CUDA_VISIBLE_DEVICES` is empty for work that holds no GPU; otherwise it is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

OMP: Final = "OMP_NUM_THREADS"
CUDA: Final = "CUDA_VISIBLE_DEVICES"
OVERRIDE_ON_ZERO: Final = "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"
LEAVE_CUDA: Final = "RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES"


def _is_on(name: str) -> bool:
    return os.environ.get(name, "").strip().lower() in ("1", "true")


class Environment:
    """Keeps the variables in step with the resources of what runs; writes only what changes."""

    def __init__(self) -> None:
        self._sets_threads = OMP not in os.environ
        self._threads = 0
        self._hides_gpus = _is_on(OVERRIDE_ON_ZERO) and not _is_on(LEAVE_CUDA)
        self._visible = os.environ.get(CUDA)
        self._hidden = False

    def apply(self, resources: Mapping[str, float]) -> None:
        """Called before each normal task and once for an actor."""
        if self._sets_threads:
            threads = max(int(resources.get("CPU", 1)), 1)
            if threads != self._threads:
                os.environ[OMP] = str(threads)
                self._threads = threads
        if self._hides_gpus:
            hide = not resources.get("GPU")
            if hide and not self._hidden:
                os.environ[CUDA] = ""
            elif self._hidden and not hide:
                self._show()
            self._hidden = hide

    def _show(self) -> None:
        if self._visible is None:
            os.environ.pop(CUDA, None)
        else:
            os.environ[CUDA] = self._visible
