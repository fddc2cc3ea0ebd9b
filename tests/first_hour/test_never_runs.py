"""What the machine can never run waits, and the driver's user is told so and why: once, on stderr."""

from __future__ import annotations

from pathlib import Path

from driver_kit import program

ASKS = """
    from mobula.util import placement_group
    ray.init(num_cpus=2, labels={"zone": "a"}%s)

    @ray.remote
    def task():
        return 1

    large = [task.options(num_cpus=3).remote() for _ in range(3)]
    elsewhere = task.options(label_selector={"zone": "b"}).remote()
    spread = placement_group([{"CPU": 1}, {"CPU": 1}], strategy="STRICT_SPREAD")
    group = placement_group([{"CPU": 1, "widget": 2}])
    print(ray.wait([*large, elsewhere, spread.ready(), group.ready()], num_returns=6, timeout=1)[0])
"""


def test_the_user_is_told(tmp_path: Path) -> None:
    done = program(tmp_path, ASKS % "")
    assert (done.code, done.lines) == (0, ["[]"])
    told = done.err.splitlines()
    assert len(told) == 4, done.err
    assert all(line.startswith("(scheduler) Warning: ") for line in told)
    assert "asks for {CPU: 3}, and the machine has {CPU: 2}" in told[0]
    assert "labels" in told[1]
    assert "STRICT_SPREAD" in told[2]
    assert "{CPU: 1, widget: 2}, and the machine has {CPU: 2}" in told[3]


def test_unless_nothing_is_to_be_shown(tmp_path: Path) -> None:
    done = program(tmp_path, ASKS % ", log_to_driver=False")
    assert (done.code, done.lines, done.err) == (0, ["[]"], "")
