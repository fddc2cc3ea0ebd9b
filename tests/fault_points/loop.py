"""Fails the 1st, 2nd, 3rd … point of the core until a run passes without meeting one: at none may anything hang, be wrong, or
be left. For a core that was built with faults; `make faults` builds it and runs everything.

    loop.py CORE [--scenario calls] [--action lose] [--first 7] [--seconds 8] [--pinned …] [--verbose]

A fault that is pinned is tried first, in the scenario `calls`. With --seconds the loop takes what it can in about that time,
beginning at --first and again at 1 after the last. Exits with 0 when every run was right; a run that does not end is shown by
its stacks, with exit code 1.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import shim
from scenario import SCENARIOS, Failed, run

import mobula.testing

ACTIONS = ("fail", "lose", "delay", "double", "shim-fail", "shim-cut", "worker-fail", "worker-cut")
HANGS_AFTER_S = 150


@dataclass
class Loop:
    """One scenario with one action, and what came of it."""

    scenario: str
    action: str
    done: int = 0
    points: Counter[str] = field(default_factory=Counter)
    explained: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def one(self, spec: str, verbose: bool) -> bool:
        """Runs it with the fault that `spec` asks for; False when there was none."""
        with tempfile.TemporaryDirectory() as folder:
            told = Path(folder, "told")
            side, _, own = spec.rpartition("-")
            action, _, nth = own.partition(":")
            os.environ["MOBULA_FAULTS"] = "" if side else spec
            shim.POINTS.ask(*(action, int(nth)) if side == "shim" else ("", 0))
            os.environ[shim.WORKERS] = json.dumps([action, int(nth), str(told)]) if side == "worker" else ""
            os.environ["MOBULA_FAULTS_LOG"] = str(told)
            faulthandler.dump_traceback_later(HANGS_AFTER_S, exit=True)
            since, result, errors = time.monotonic(), "right", Counter[str]()
            try:
                errors = run(self.scenario)
            except (Failed, mobula.testing.LeftBehind) as error:
                result = f"{type(error).__name__}: {error}"
            except Exception:
                result = traceback.format_exc()
            gc.collect()
            faulthandler.cancel_dump_traceback_later()
            fault = told.read_text(encoding="utf-8").strip() if told.exists() else shim.POINTS.happened
        where = f"{self.scenario} {fault or 'no fault'} ({spec})"
        if verbose:
            print(f"{where}: {result} {dict(errors) or ''} {time.monotonic() - since:.2f} s", flush=True)
        if result != "right" or (errors and not fault):
            self.wrong.append(f"{where}: {result} {dict(errors) or ''}")
            print(f"WRONG: {self.wrong[-1]}", flush=True)
        self.explained.update(errors)
        if fault:
            self.done += 1
            self.points[fault.partition(":")[0]] += 1
        return bool(fault)

    def spec(self, nth: int) -> str:
        """That the nth point fails: of the core, or of the driver's or a worker's side, which shim.py counts."""
        return f"{self.action}:{nth}" if "-" in self.action else f"*:{self.action}:{nth}"

    def row(self) -> str:
        """Of the table."""
        errors = sum(self.explained.values())
        return f"| {self.scenario} | {self.action} | {self.done} | {len(self.points)} | {errors} | {len(self.wrong)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("core")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), action="append")
    parser.add_argument("--action", choices=ACTIONS, action="append")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--pinned", metavar="POINT:ACTION:NTH", action="append", default=[])
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    shim.install()
    os.environ["MOBULA_CORE"] = os.path.abspath(args.core)
    loops = [Loop(scenario, action) for scenario in args.scenario or SCENARIOS for action in args.action or ACTIONS]
    pinned = Loop("calls", "pinned")
    for spec in args.pinned:
        if not pinned.one(spec, args.verbose):
            pinned.wrong.append(f"{spec}: there is no such point")
    each = args.seconds / len(loops) if args.seconds else 0.0
    for loop in loops:
        until = time.monotonic() + each if args.seconds else None
        nth, around = args.first, until is None or args.first == 1
        while until is None or time.monotonic() < until:
            if loop.one(loop.spec(nth), args.verbose):
                nth += 1
            elif around:
                break
            else:
                nth, around = 1, True
    print("| scenario | action | points looped | kinds | errors that a fault explains | wrong, hung or left |")
    print("|---|---|---|---|---|---|")
    loops.insert(0, pinned)
    for loop in loops:
        print(loop.row())
    for name, times in sorted(sum((loop.explained for loop in loops), Counter[str]()).items()):
        print(f"{times:5} {name}")
    return 1 if any(loop.wrong for loop in loops) else 0


if __name__ == "__main__":
    sys.exit(main())
