"""Doors between tasks and tests, and waiting for what other processes do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path


def until(what: str, condition: Callable[[], bool], patience: float = 60.0) -> None:
    """Waits for a condition of other processes, which send no signal."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.002)


class Gate:
    """A door on the file system: one side opens it, others wait for it."""

    def __init__(self, folder: Path, name: str = "gate") -> None:
        self.path = str(folder / name)

    def open(self) -> None:
        with open(self.path, "w"):
            pass

    def is_open(self) -> bool:
        return os.path.exists(self.path)

    def wait(self, patience: float = 60.0) -> None:
        until(f"{self.path} open", self.is_open, patience)


class Notes:
    """A list of lines that any process appends to, whole or not at all."""

    def __init__(self, folder: Path, name: str = "notes") -> None:
        self.path = str(folder / name)

    def add(self, line: object) -> None:
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(fd, f"{line}\n".encode())
        finally:
            os.close(fd)

    def lines(self) -> list[str]:
        try:
            with open(self.path) as file:
                return file.read().split()
        except FileNotFoundError:
            return []
