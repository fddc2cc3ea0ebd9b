"""Which Python files of an installed Ray run on top of mobula: loads each, exercises it and prints a line for it.

    .venv-dev/bin/python tests/compat/rays_own_files.py .venv-ray          (make compat)

`ray` is mobula here, and only the file that is tried comes from Ray's own wheel; everything it imports from `ray` is mobula's.
Each is tried in a process of its own. It ends with 1 where something is not as docs/compat.md tells it.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle


def load(ray_home: Path, path: str, name: str | None = None) -> ModuleType:
    """Ray's file as a module. Its functions travel to workers by value: there is no such file on their path."""
    file = ray_home / path
    name = name or "rays_own_" + path.removesuffix(".py").removesuffix("/__init__").replace("/", "_")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    cloudpickle.register_pickle_by_value(module)
    return module


def square(n: int) -> int:
    return n * n


def add(a: int, b: int) -> int:
    return a + b


def fails(n: int) -> int:
    raise ValueError(n)


def actor_pool(home: Path) -> None:
    import ray

    @ray.remote
    class Worker:
        def double(self, n: int) -> int:
            return 2 * n

    pool = load(home, "util/actor_pool.py").ActorPool([Worker.remote(), Worker.remote()])
    assert list(pool.map(lambda actor, n: actor.double.remote(n), range(6))) == [0, 2, 4, 6, 8, 10]
    assert sorted(pool.map_unordered(lambda actor, n: actor.double.remote(n), range(6))) == [0, 2, 4, 6, 8, 10]


def queue(home: Path) -> None:
    module = load(home, "util/queue.py")
    queue = module.Queue(maxsize=2)
    queue.put(1)
    queue.put_nowait(2)
    try:
        queue.put(3, timeout=0.1)
    except module.Full:
        pass
    else:
        raise AssertionError("a third one of two")
    assert [queue.get(), queue.get()] == [1, 2]
    assert queue.empty()
    queue.shutdown()


def helpers(home: Path) -> None:
    import ray

    module = load(home, "util/helpers.py")
    task = ray.remote(square)
    assert sorted(module.as_completed([task.remote(n) for n in range(4)])) == [0, 1, 4, 9]
    assert sorted(module.map_unordered(task, range(4))) == [0, 1, 4, 9]


def check_serialize(home: Path) -> None:
    import threading

    sys.path.append(str(home / "thirdparty_files"))  # Ray bundles the colorama that this file imports
    module = load(home, "util/check_serialize.py")
    assert module.inspect_serializability(square) == (True, set())
    lock = threading.Lock()
    good, found = module.inspect_serializability(lambda: lock, name="closure")
    assert not good
    assert any(one.obj is lock for one in found)


def actor_group(home: Path) -> None:
    import ray

    class Worker:
        def __init__(self, start: int) -> None:
            self.start = start

        def plus(self, n: int) -> int:
            return self.start + n

    group = load(home, "util/actor_group.py").ActorGroup(Worker, 2, init_args=(10,))
    assert ray.get(group.plus.remote(1)) == [11, 11]
    group.shutdown()


def timer(home: Path) -> None:
    module = load(home, "util/timer.py")
    one = module._Timer()
    with one:
        pass
    assert one.has_units_processed() is False
    assert one.mean >= 0


def annotations(home: Path) -> None:
    module = load(home, "util/annotations.py")
    assert module.PublicAPI(square) is square
    assert module.DeveloperAPI(add)(1, 2) == 3


def pool(home: Path) -> None:
    import multiprocessing

    from ray.exceptions import RayTaskError

    module = load(home, "util/multiprocessing/pool.py")
    with module.Pool(2) as pool:
        assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]
        assert pool.starmap(add, [(1, 2), (3, 4)]) == [3, 7]
        assert pool.apply(add, (1, 2)) == 3
        assert list(pool.imap(square, range(4), chunksize=2)) == [0, 1, 4, 9]
        assert sorted(pool.imap_unordered(square, range(4))) == [0, 1, 4, 9]
        try:
            pool.map(fails, range(3))
        except (ValueError, RayTaskError, multiprocessing.ProcessError):
            pass
        else:
            raise AssertionError("the error is lost")


def joblib(home: Path) -> None:
    import joblib

    # Ray's back end stands on the Pool of Ray's own file.
    load(home, "util/multiprocessing/pool.py", "ray.util.multiprocessing.pool")
    load(home, "util/joblib/ray_backend.py", "ray.util.joblib.ray_backend")
    load(home, "util/joblib/__init__.py", "ray.util.joblib").register_ray()
    with joblib.parallel_backend("ray"):
        assert joblib.Parallel(n_jobs=2)(joblib.delayed(square)(n) for n in range(8)) == [n * n for n in range(8)]


def only_import(path: str) -> Callable[[Path], None]:
    return lambda home: load(home, path) and None


def module(name: str) -> Callable[[Path], None]:
    return lambda home: importlib.import_module(name) and None


WORKS: dict[str, Callable[[Path], None]] = {
    "util/actor_pool.py": actor_pool,
    "util/queue.py": queue,
    "util/helpers.py": helpers,
    "util/check_serialize.py": check_serialize,
    "util/actor_group.py": actor_group,
    "util/timer.py": timer,
    "util/annotations.py": annotations,
    "util/multiprocessing/pool.py": pool,
    "util/joblib": joblib,
}

#: Refused at import, with what the refusal names.
REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "util/iter.py": (only_import("util/iter.py"), "iter_metrics"),
    "util/metrics.py": (only_import("util/metrics.py"), "ray._private"),
    "util/placement_group.py": (only_import("util/placement_group.py"), "ray._common"),
    "util/scheduling_strategies.py": (only_import("util/scheduling_strategies.py"), "ray._raylet"),
    "ray.tune": (module("ray.tune"), "ray.tune"),
    "ray.train": (module("ray.train"), "ray.train"),
    "ray.serve": (module("ray.serve"), "ray.serve"),
    "ray.rllib": (module("ray.rllib"), "ray.rllib"),
    "ray.dag": (module("ray.dag"), "ray.dag"),
}


def one(home: Path, name: str) -> None:
    """In a process of its own: try one of them."""
    import mobula

    mobula.install_as_ray()
    if name in WORKS:
        mobula.init(num_cpus=4, log_to_driver=False)
        WORKS[name](home)
        mobula.shutdown()
        return
    try_it, names = REFUSED[name]
    try:
        try_it(home)
    except (ImportError, AttributeError, NotImplementedError) as error:
        if names not in str(error):
            raise AssertionError(f"refused without a word of {names}") from error
        print(error)
    else:
        raise AssertionError("it is not refused any more: say so in docs/compat.md")


def main(argv: list[Any]) -> int:
    (venv,) = argv
    homes = sorted(Path(venv).glob("lib/python3*/site-packages/ray"))
    if not homes:
        print(f"no Ray is installed in {venv}: make .venv-ray/.made", file=sys.stderr)
        return 2
    failed = 0
    for name in [*WORKS, *REFUSED]:
        began = time.monotonic()
        command = [sys.executable, __file__, "--one", str(homes[0]), name]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        good = "works" if name in WORKS else "refused"
        if done.returncode != 0:
            failed += 1
        last = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()[-1:]
        says = f"  {last[0]}" if last and (name in REFUSED or done.returncode != 0) else ""
        verdict = good if done.returncode == 0 else "NOT AS TOLD"
        print(f"{name:32s} {verdict:12s} {time.monotonic() - began:5.1f} s{says}", flush=True)
    print(f"{len(WORKS) + len(REFUSED) - failed} of {len(WORKS) + len(REFUSED)} as docs/compat.md tells it")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        one(Path(sys.argv[2]), sys.argv[3])
    else:
        sys.exit(main(sys.argv[1:]))
