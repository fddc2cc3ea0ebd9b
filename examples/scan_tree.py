"""The demo: one actor scans a tree of real files in five methods at once, and one of the five is canceled midway.

    python examples/scan_tree.py                 # this repository
    python examples/scan_tree.py ~/Documents     # any other folder

Four methods read every file and finish. The fifth, `guard`, keeps watch for changes and would never end: it is canceled
when the others are midway, notices by itself, tidies up and returns. The program then checks everything it claims, the
results of the four by computing them again without an actor, and exits with 1 and the reason if anything differs.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import mobula
import tree_work
from tree_display import Display, count_text, size_text

METHODS = [*tree_work.WORK, "guard"]


@mobula.remote
class TreeScanner:
    """Works on one list of files; its methods run at the same time and share its state."""

    def __init__(self, files: list[tree_work.File], scratch: str) -> None:
        self.files = files
        self.scratch = scratch
        self.done = dict.fromkeys(METHODS, 0)
        self.finished: list[str] = []
        self.guard_report: dict[str, Any] = {}
        self._lock = threading.Lock()
        # Nobody passes until all five are here: five methods run at once, or none gets anywhere.
        self._all_started = threading.Barrier(len(METHODS))

    def scan(self, name: str) -> Any:
        """Do one of the four pieces of work over all files."""
        self._all_started.wait(timeout=60)
        result = self._work(name, self.files)
        with self._lock:
            self.finished.append(name)
        return result

    def scan_again(self, name: str, files: list[tree_work.File]) -> Any:
        """The same over fewer files: some changed while they were read."""
        return self._work(name, files)

    def _work(self, name: str, files: list[tree_work.File]) -> Any:
        self.done[name] = 0

        def step() -> None:
            self.done[name] += 1

        return tree_work.WORK[name](files, step)

    def guard(self) -> str:
        """Hash every file, round after round, with a journal on disk; ends only by being canceled."""
        context = mobula.get_runtime_context()
        known: dict[str, str] = {}
        changes = 0
        with open(os.path.join(self.scratch, "guard.journal"), "w", encoding="utf-8") as journal:
            self.guard_report = {"journal": journal.name}
            self._all_started.wait(timeout=60)
            while not context.is_canceled():
                for file in self.files:
                    digest = hashlib.sha256()
                    try:
                        for chunk in tree_work.chunks(file):
                            digest.update(chunk)
                            if context.is_canceled():
                                break
                    except OSError:
                        digest.update(b"unreadable")
                    if context.is_canceled():
                        break
                    changes += known.get(file.path, digest.hexdigest()) != digest.hexdigest()
                    known[file.path] = digest.hexdigest()
                    journal.write(f"{digest.hexdigest()} {file.path!r}\n")
                    journal.flush()
                    self.done["guard"] += 1
                else:
                    time.sleep(0.005)  # a pause between rounds, or a tree of three files would heat a whole core
            noticed = time.monotonic()
        # The method was not interrupted anywhere: what has to be tidied up is tidied up in peace, here.
        size = os.path.getsize(journal.name)
        os.unlink(journal.name)
        self.guard_report |= {"noticed": noticed, "journal size": size, "changes": changes, "returned": True}
        return "tidied up"

    def progress(self) -> dict[str, tuple[int, int]]:
        """Files done and files in all; guard has no end."""
        return {name: (self.done[name], 0 if name == "guard" else len(self.files)) for name in METHODS}

    def state(self) -> dict[str, Any]:
        """What the actor knows: the program asks again after the cancel."""
        return {
            "pid": os.getpid(),
            "files": len(self.files),
            "done": dict(self.done),
            "finished": sorted(self.finished),
            "guard": dict(self.guard_report),
        }


class Checks:
    """Says what was checked, and remembers what failed."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def __call__(self, ok: bool, text: str) -> None:
        print(f"     {'ok' if ok else 'WRONG':<6}{text}")
        if not ok:
            self.failed.append(text)


def run(tree: tree_work.Tree, scratch: str) -> list[str]:
    """Run the demo over the files, with `scratch` as the folder of guard's journal; returns what went wrong, if anything."""
    check = Checks()
    # Five methods, and two threads to spare for questions about progress.
    scanner = TreeScanner.options(max_concurrency=len(METHODS) + 2).remote(tree.files, scratch)
    before = mobula.get(scanner.state.remote())
    refs = {name: scanner.scan.remote(name) for name in tree_work.WORK}
    guard = scanner.guard.remote()

    canceled_at, journal_was_there = watch(scanner, refs, guard)

    print("\nWhat happened")
    print(f"  1. Five methods of one actor ran at the same time, on threads of process {before['pid']}.")
    print("  2. mobula.cancel() was called on guard while it worked.")
    error = outcome_of(guard)
    after = mobula.get(scanner.state.remote())
    report = after["guard"]
    check(journal_was_there, f"its journal was on disk: {report.get('journal')}")
    check("noticed" in report, "inside the method, get_runtime_context().is_canceled() turned True")
    if "noticed" in report:
        print(f"           {1000 * (report['noticed'] - canceled_at):.1f} ms after the cancel,")
        print(f"           {count_text(after['done']['guard'], 'file')} checked, {count_text(report['changes'], 'change')} seen")
    tidied = bool(report.get("returned")) and not os.path.exists(report["journal"])
    check(tidied, f"guard removed its journal ({size_text(report.get('journal size', 0))}) and returned normally")
    check(isinstance(error, mobula.exceptions.TaskCancelledError), f"mobula.get() raised {type(error).__name__}")

    print("  3. The other four finished. Computed again here, without an actor, their results are the same:")
    check_results(check, scanner, tree.files, refs)

    print("  4. The actor lives on, with its state intact:")
    check(after["pid"] == before["pid"], f"still process {after['pid']}, still {count_text(after['files'], 'file')}")
    check(after["files"] == len(tree.files), "the list of files is the one it was given")
    state = mobula.get(scanner.state.remote())
    check(state["finished"] == sorted(tree_work.WORK), f"finished: {', '.join(state['finished'])}")
    check(mobula.get(scanner.scan_again.remote("largest", [])) == [], "it takes new calls")
    return check.failed


def watch(scanner: Any, refs: dict[str, Any], guard: Any) -> tuple[float, bool]:
    """Show progress until all is done; cancel guard once it is seen at work and the others are midway, and never before.

    Returns when the cancel was sent and whether guard's journal was on disk then.
    """
    display = Display()
    notes: dict[str, str] = {}
    pending = [*refs.values(), guard]
    canceled_at, journal_was_there = 0.0, False
    while True:
        ready, pending = mobula.wait(pending, num_returns=len(pending), timeout=0.02)
        progress = mobula.get(scanner.progress.remote())
        notes |= {name: "done" for name, ref in refs.items() if ref in ready}
        if guard in ready:
            notes["guard"] = "canceled" if canceled_at else "ended by itself?"
        elif not canceled_at and progress["guard"][0] > 0 and any(3 * progress[name][0] > progress[name][1] for name in refs):
            journal = mobula.get(scanner.state.remote())["guard"]["journal"]
            journal_was_there = os.path.getsize(journal) > 0
            canceled_at = time.monotonic()
            mobula.cancel(guard)
            notes["guard"] = "cancel sent"
        display.show(progress, notes)
        if not pending:
            return canceled_at, journal_was_there


def outcome_of(ref: Any) -> BaseException | None:
    """The error that get raises, or None if it returns a value."""
    try:
        mobula.get(ref, timeout=60)
    except mobula.exceptions.RayError as error:
        return error
    return None


def check_results(check: Checks, scanner: Any, files: list[tree_work.File], refs: dict[str, Any]) -> None:
    """Compare each result with one computed here; files that changed meanwhile are taken out and read again."""
    for name, ref in refs.items():
        result = mobula.get(ref)
        expected = tree_work.WORK[name](files, lambda: None)
        for _ in range(3):
            changed = {file for file in files if result != expected and file.changed()}
            if not changed:
                break
            print(f"           {len(changed)} files changed while they were read; {name} once more without them")
            files = [file for file in files if file not in changed]
            result = mobula.get(scanner.scan_again.remote(name, files))
            expected = tree_work.WORK[name](files, lambda: None)
        check(result == expected, f"{name}: {summary(name, result)}")


def summary(name: str, result: Any) -> str:
    """One result in a few words."""
    if name == "lines":
        return f"{count_text(result['lines'], 'line')} in {count_text(result['text files'], 'text file')}"
    if name == "kinds":
        top = ", ".join(f"{ending} ({count_text(count, 'file')})" for ending, (count, _) in list(result.items())[:3])
        return f"{count_text(len(result), 'kind')} of files, most bytes in {top}"
    if name == "largest":
        return f"{os.path.basename(result[0][1])}, {size_text(result[0][0])}"
    return f"sha256 {result[:16]}…"


def main() -> int:
    """Parse the command line, start mobula, run, stop it again."""
    repository = str(Path(__file__).resolve().parent.parent)
    parser = argparse.ArgumentParser(description="Scan a tree of files in an actor and cancel one of its methods midway.")
    parser.add_argument("folder", nargs="?", default=repository, help="default: this repository")
    parser.add_argument("--hidden", action="store_true", help="go into hidden folders and __pycache__ too")
    parser.add_argument("--max-files", type=int, default=20_000, metavar="N", help="take at most N files (20000)")
    parser.add_argument("--max-bytes", type=int, default=1 << 30, metavar="N", help="read at most N bytes (1 GiB)")
    args = parser.parse_args()
    if not os.path.isdir(args.folder):
        parser.error(f"{args.folder} is not a folder")
    tree = tree_work.find_files(args.folder, hidden=args.hidden, max_files=args.max_files, max_bytes=args.max_bytes)
    print(f"mobula demo: {args.folder}: {count_text(len(tree.files), 'file')}, {size_text(tree.size)}")
    for reason, count in sorted(tree.left_out.items()):
        print(f"  left out: {count:,} {reason}")
    if not tree.files:
        print("There is no file to read in this folder.", file=sys.stderr)
        return 2
    began = time.monotonic()
    mobula.init()
    print(f"  mobula started in {time.monotonic() - began:.2f} s\n")
    try:
        with tempfile.TemporaryDirectory(prefix="scan_tree-") as scratch:
            failed = run(tree, scratch)
    finally:
        mobula.shutdown()
    if failed:
        print(f"\nThe demo failed: {'; '.join(failed)}", file=sys.stderr)
        return 1
    print(f"\nEverything was as it should be ({time.monotonic() - began:.1f} s).")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        sys.exit(130)
