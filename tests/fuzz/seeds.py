"""Fuzzes targets for some time, and keeps of what the fuzzer found interesting the few inputs that together cover the same
statements: as files of the package's testdata/fuzz, which every run of its tests tries, and from which the next fuzzing begins.

    seeds.py --each 60                 every target that reads what is written by hand and comes from strangers
    seeds.py --each 600 --only FuzzConn

What was kept before and covers nothing more goes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fuzz_all import LONG, ROOT, Target, targets

#: Longer ones are the fuzzer's noise: a seed is read by people, too.
MOST_BYTES = 2000


def folder_of(target: Target) -> Path:
    """Where Go keeps a target's inputs."""
    return ROOT / target.package.partition("mobula/mobula/")[2] / "testdata" / "fuzz" / target.name


def binary(target: Target, place: Path, *flags: str) -> Path:
    """The package's tests, built with these flags."""
    out = place / f"{target.name}{len(flags)}.test"
    subprocess.run(["go", "test", "-c", "-o", str(out), *flags, target.package], cwd=ROOT, check=True)
    return out


def covered(tests: Path, target: Target, name: str, profile: Path) -> frozenset[str]:
    """The blocks of statements that one input reaches."""
    command = [str(tests), f"-test.run=^{target.name}$/^{name}$", f"-test.coverprofile={profile}"]
    done = subprocess.run(command, cwd=folder_of(target).parents[2], stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SystemExit(f"{target.short}: {name} fails: that is a finding, and it stays in {folder_of(target)}")
    lines = profile.read_text(encoding="utf-8").splitlines()[1:]
    return frozenset(line.split()[0] for line in lines if line.split()[2] != "0")


def keep(target: Target, seconds: float, place: Path) -> str:
    """Does it for one target; a row of the table."""
    found, seeds = place / target.name, folder_of(target)
    fuzzing = binary(target, place, "-fuzz", f"^{target.name}$")
    command = [str(fuzzing), "-test.run=^$", f"-test.fuzz=^{target.name}$", f"-test.fuzztime={seconds:g}s", "-test.parallel=1"]
    subprocess.run([*command, f"-test.fuzzcachedir={place}"], cwd=seeds.parents[2], stdout=subprocess.DEVNULL, check=False)
    seeds.mkdir(parents=True, exist_ok=True)
    before = {path.name for path in seeds.iterdir()}
    for path in found.iterdir() if found.exists() else ():
        if path.stat().st_size <= MOST_BYTES:
            (seeds / path.name).write_bytes(path.read_bytes())
    tests = binary(target, place, "-cover", "-coverpkg=./" + "/".join(seeds.parts[len(ROOT.parts) : -3]) + "/...")
    profile = place / f"{target.name}.profile"
    reach = {path.name: covered(tests, target, path.name, profile) for path in sorted(seeds.iterdir())}
    given = covered(tests, target, "seed#[0-9]+", profile)
    missing, chosen = frozenset[str]().union(*reach.values()) - given, set[str]()
    while missing:
        # The most, of those the shortest, of those the one that was kept before: a second run changes little.
        best = max(reach, key=lambda name: (len(reach[name] & missing), -(seeds / name).stat().st_size, name in before, name))
        chosen.add(best)
        missing -= reach[best]
    for name in set(reach) - chosen:
        (seeds / name).unlink()
    if not chosen:
        seeds.rmdir()
    size = sum((seeds / name).stat().st_size for name in chosen)
    return f"| {target.short} | {len(reach)} | {len(chosen)} | {size:,} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--each", type=float, metavar="SECONDS", default=60)
    parser.add_argument("--only", metavar="NAME", action="append", help="this target; may be given again")
    parser.add_argument("--jobs", type=int, default=max(1, os.cpu_count() or 1))
    args = parser.parse_args()
    chosen = [target for target in targets() if target.name in (args.only or LONG)]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(args.jobs) as pool:
        print("| target | inputs found | kept | bytes |\n|---|---|---|---|", flush=True)
        for row in pool.map(lambda target: keep(target, args.each, Path(folder)), chosen):
            print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
