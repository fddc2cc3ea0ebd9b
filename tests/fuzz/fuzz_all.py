"""Runs every Go fuzz target for some time, several at once, and prints how many executions each had.

    fuzz_all.py --each 1200              every target for twenty minutes
    fuzz_all.py --long 12 --others 4     what is written by hand and read from strangers longer than the rest
    fuzz_all.py --each 60 --only FuzzConn

Exits with 0 when no target found anything. What one finds is kept by Go as a file in its package's testdata/fuzz, which from then
on is a test; its whole output is printed, with the command that repeats it.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Decoders that are written by hand, and the service itself: everything else reads by a library, or what our own side wrote.
LONG = ("FuzzConn", "FuzzOpening", "FuzzFromShim", "FuzzSpec", "FuzzLook", "FuzzTable", "FuzzFrame", "FuzzErrorBody", "FuzzLists")
_EXECUTIONS = re.compile(r"execs: (\d+)")
# Go's fuzzer calls it a failure when its time ends inside an execution (golang/go issue 75804); then nothing was found.
_TIME_OVER = re.compile(r"^\s*(?:fuzzing process hung.*|context deadline exceeded)$", re.MULTILINE)
#: Beyond its time: linking and the end of the worker, on a busy machine.
_PATIENCE_S = 600


@dataclass(frozen=True)
class Target:
    """One fuzz function."""

    package: str
    name: str

    @property
    def short(self) -> str:
        """For a table: `pyshim/direct FuzzConn`."""
        return f"{self.package.partition('mobula/mobula/')[2]} {self.name}"


@dataclass(frozen=True)
class Result:
    """What came of a target."""

    target: Target
    executions: int
    seconds: float
    failed: str  # its output; "": nothing was found


def targets() -> list[Target]:
    """All there are, in the order of their packages."""
    listed = subprocess.run(["go", "test", "-list", "^Fuzz", "./..."], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found, names = [], []
    for line in listed.stdout.splitlines():
        if line.startswith("Fuzz"):
            names.append(line.strip())
        elif line.startswith("ok"):
            # A package whose tests run once for each transport lists them as often.
            found += [Target(line.split()[1], name) for name in dict.fromkeys(names)]
            names = []
    return found


def build(packages: list[str]) -> None:
    """Builds the test programs with what the fuzzer counts by, one after the other: at once they would build all they have in
    common as often as there are jobs."""
    with tempfile.TemporaryDirectory() as folder:
        for package in packages:
            command = ["go", "test", "-c", "-o", str(Path(folder, "test")), "-fuzz", "^Fuzz", package]
            subprocess.run(command, cwd=ROOT, check=True)


def run(target: Target, seconds: float) -> Result:
    """Fuzzes one target, with one worker."""
    command = ["go", "test", "-run", "^$", "-fuzz", f"^{target.name}$", "-fuzztime", f"{seconds:g}s", "-fuzzminimizetime", "10s"]
    command += ["-parallel", "1", target.package]
    since = time.monotonic()
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds + _PATIENCE_S,
            check=False,
        )
        output, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        output, code = f"{(late.stdout or b'').decode()}\nno end {_PATIENCE_S} s after its time", 1
    if code and _TIME_OVER.search(output) and "Failing input" not in output and "panic" not in output:
        code = 0
    counts = _EXECUTIONS.findall(output)
    return Result(
        target, int(counts[-1]) if counts else 0, time.monotonic() - since, f"{' '.join(command)}\n{output}" if code else ""
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--each", type=float, metavar="SECONDS")
    parser.add_argument("--long", type=float, metavar="SECONDS", default=12)
    parser.add_argument("--others", type=float, metavar="SECONDS", default=4)
    parser.add_argument("--only", metavar="NAME", action="append", help="this target; may be given again")
    parser.add_argument("--jobs", type=int, default=max(2, os.cpu_count() or 1), help="targets at once")
    args = parser.parse_args()
    chosen = [target for target in targets() if not args.only or target.name in args.only]
    if missing := set(args.only or ()) - {target.name for target in chosen}:
        parser.error(f"there is no fuzz target {', '.join(sorted(missing))}")
    times = {target: args.each or (args.long if target.name in LONG else args.others) for target in chosen}
    chosen.sort(key=lambda target: -times[target])  # the long ones first: they end together
    build(list(dict.fromkeys(target.package for target in chosen)))
    failed = []
    print("| target | seconds | executions | |\n|---|---|---|---|", flush=True)
    with ThreadPoolExecutor(args.jobs) as pool:
        for result in pool.map(lambda target: run(target, times[target]), chosen):
            said = "FOUND SOMETHING" if result.failed else ""
            print(f"| {result.target.short} | {result.seconds:.0f} | {result.executions:,} | {said} |", flush=True)
            failed += [result.failed] if result.failed else []
    for output in failed:
        print(f"\n{output}")
    print(f"{len(chosen)} targets, {len(failed)} found something")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
