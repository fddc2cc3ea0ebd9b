"""How many steps our Python takes for a call, without a core: what a change adds to a hot path shows here, on any machine.

    python tests/bench/counts.py            # a table: Python calls, C calls and operations on the socket, each per call
    python tests/bench/counts.py --update   # keep these as the ones that tests/unit/test_hot_path_counts.py allows

The halves are those of shim.py, which measures their time.
"""

import argparse
import json
import sys
from pathlib import Path

import shim

from mobula._core import process

KEPT = Path(__file__).with_name("counts.json")


class Counting(shim.Swallowing):
    """Counts what would be system calls."""

    operations = 0

    def send(self, message):
        Counting.operations += 1

    send_many = send

    def wait_readable(self, timeout):
        Counting.operations += 1
        return True

    def receive(self):
        Counting.operations += 1
        return self.script()


def count(make):
    """Steps per call of one half, rounded to what differs between two runs."""
    before, batch = make()
    before()
    batch()  # what is looked up once is looked up now
    before()
    events = {"call": 0, "c_call": 0}

    def note(_frame, event, _arg):
        if event in events:
            events[event] += 1

    Counting.operations = 0
    sys.setprofile(note)
    try:
        kept = batch()
    finally:
        sys.setprofile(None)
    del kept
    process._current = None
    steps = (events["call"], events["c_call"], Counting.operations)
    return [round(one / shim.CALLS, 1) for one in steps]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--update", action="store_true")
    ap.add_argument("--json", action="store_true")
    args = ap.parse_args()
    shim.Swallowing = Counting
    found = {name: count(make) for name, make in shim.HALVES.items()}
    if args.update:
        KEPT.write_text("{\n" + ",\n".join(f' "{name}": {steps}' for name, steps in found.items()) + "\n}\n")
    if args.json:
        print(json.dumps(found))
        return
    for name, (calls, c_calls, operations) in found.items():
        print(f"{name:16s} {calls:6.1f} Python calls {c_calls:6.1f} C calls {operations:5.1f} socket operations a call")


if __name__ == "__main__":
    main()
