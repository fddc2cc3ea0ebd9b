"""Live progress for scan_tree.py: bars that redraw themselves on a terminal, a line now and then anywhere else."""

from __future__ import annotations

import os
import shutil
import sys

Progress = dict[str, tuple[int, int]]  # name -> (files done, files in all; 0 = has no end)


def size_text(size: float) -> str:
    """1536 -> '1.5 KiB'."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")


def count_text(count: int, what: str) -> str:
    """1, "file" -> '1 file'; 1536, "file" -> '1,536 files'."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


class Display:
    """Shows the progress of several methods at once."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._drawn = 0
        self._quarters: dict[str, int] = {}

    def show(self, progress: Progress, notes: dict[str, str]) -> None:
        """Draw the state; `notes` are words to put behind a method's line."""
        if self._live:
            self._draw(progress, notes)
        else:
            self._print(progress, notes)

    def _draw(self, progress: Progress, notes: dict[str, str]) -> None:
        width = shutil.get_terminal_size().columns - 1
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        rows = [self._row(name, *state, notes.get(name, ""))[:width] for name, state in progress.items()]
        sys.stdout.write(up + "".join(f"\x1b[2K{row}\n" for row in rows))
        sys.stdout.flush()
        self._drawn = len(rows)

    @staticmethod
    def _row(name: str, done: int, total: int, note: str) -> str:
        if not total:
            return f"  {name:<9} {'round after round':<26} {done:>7,} files  {note}"
        filled = 24 * done // total
        return f"  {name:<9} [{'#' * filled}{'.' * (24 - filled)}] {done:>7,} of {total:,}  {note}"

    def _print(self, progress: Progress, notes: dict[str, str]) -> None:
        """One line whenever a method passes another quarter of its work, or its note changes."""
        for name, (done, total) in progress.items():
            note = notes.get(name, "")
            quarter = hash((4 * done // total if total else min(done, 1), note))
            if (done or note) and self._quarters.get(name) != quarter:
                self._quarters[name] = quarter
                of = f" of {total:,}" if total else ""
                print(f"  {name:<9} {done:>7,}{of} files  {note}".rstrip(), flush=True)
