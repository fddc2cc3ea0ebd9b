"""`register_ray()`: joblib's loops (and scikit-learn's) run as mobula tasks.

Owns the backend that joblib asks for; joblib decides what goes into a batch. Each batch is one task, so batches are fair with
everything else that the session runs, and a loop that fails cancels what it has not needed yet. Follows `ray.util.joblib`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mobula import api, session
from mobula.object_ref import ObjectRef
from mobula.remote import remote

try:
    import joblib
    from joblib.parallel import AutoBatchingMixin, ParallelBackendBase
except ImportError as error:
    raise ImportError("mobula.util.joblib needs joblib, which is not installed: pip install joblib") from error

if TYPE_CHECKING:
    import concurrent.futures

__all__ = ["register_ray"]


def register_ray() -> None:
    """Makes "ray" a backend of joblib.

    >>> import joblib
    >>> from mobula.util.joblib import register_ray
    >>> register_ray()
    >>> with joblib.parallel_config("ray", n_jobs=2):
    ...     joblib.Parallel()(joblib.delayed(pow)(n, 2) for n in range(4))
    [0, 1, 4, 9]
    """
    joblib.register_parallel_backend("ray", RayBackend)


def _run(batch: Callable[[], Any]) -> Any:
    return batch()


class RayBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]  # joblib ships no types
    """What joblib calls for `parallel_config("ray", ray_remote_args={…})`: one task a batch.

    `ray_remote_args`: options of those tasks, for example `{"num_cpus": 2}`.
    """

    supports_retrieve_callback = True
    uses_threads = False
    supports_sharedmem = False

    def __init__(self, *args: Any, ray_remote_args: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._task = remote(_run).options(**(ray_remote_args or {}))
        self._running: set[ObjectRef[Any]] = set()

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """How many batches run at once: of -1 all CPUs of the session, as joblib counts. Raises ValueError for 0."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None or n_jobs > 0:
            return n_jobs or 1
        session.process()  # begins the session at first use, as every call does
        cpus = math.floor(api.cluster_resources().get("CPU", 1))
        return max(cpus + 1 + n_jobs, 1)

    def configure(self, n_jobs: int = 1, parallel: Any = None, **_: Any) -> int:
        self.parallel = parallel
        return self.effective_n_jobs(n_jobs)

    def submit(self, func: Callable[[], Any], callback: Callable[[Any], object] | None = None) -> concurrent.futures.Future[Any]:
        ref: ObjectRef[Any] = self._task.remote(func)
        self._running.add(ref)
        future = ref.future()
        future.add_done_callback(lambda done: self._running.discard(ref))
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: concurrent.futures.Future[Any]) -> Any:
        return out.result()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Cancels the batches of a loop that failed or was interrupted."""
        for ref in list(self._running):
            api.cancel(ref)
        self._running.clear()
