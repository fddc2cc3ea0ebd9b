"""Blocks of the arena: who holds a pin, and for how long views live."""

from __future__ import annotations

import errno
import gc
import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobula import serialization
from mobula._core import arena as arenas
from mobula._core.arena import Arena
from mobula.exceptions import RaySystemError
from mobula.serialization import serialize

SIZE = 1 << 20


@pytest.fixture
def fd() -> Iterator[int]:
    fd = os.memfd_create("arena")
    os.ftruncate(fd, SIZE)
    yield fd
    try:
        os.close(fd)
    except OSError:
        pass  # the test closed it


def test_what_is_written_is_read(fd: int) -> None:
    arena = Arena(fd, SIZE)
    arena.writable(8192, 5)[:] = b"hello"
    view = arena.view(1, 8192, 5)
    assert bytes(view) == b"hello"
    assert isinstance(view, memoryview)
    assert view.readonly


def test_the_pin_goes_with_the_last_view_and_not_before(fd: int) -> None:
    arena = Arena(fd, SIZE)
    array = np.frombuffer(arena.view(7, 0, 4096), dtype=np.uint8)
    part = array[5:]
    del array
    gc.collect()
    assert arena.take_unpins() == b""
    del part
    assert arena.take_unpins() == (7).to_bytes(8, "little")


def test_two_views_share_a_map_and_the_surplus_pin_goes_at_once(fd: int) -> None:
    arena = Arena(fd, SIZE)
    first = arena.view(7, 0, 4096)
    second = arena.view(7, 0, 4096)
    assert isinstance(first, memoryview)
    assert isinstance(second, memoryview)
    assert first.obj is second.obj
    unpin = (7).to_bytes(8, "little")
    assert arena.take_unpins() == unpin
    del first
    assert arena.take_unpins() == b""
    del second
    assert arena.take_unpins() == unpin
    third = arena.view(7, 0, 4096)
    del third
    assert arena.take_unpins() == unpin


def test_views_outlive_the_arena_and_its_descriptor(fd: int) -> None:
    os.pwrite(fd, b"stays", 4096)
    arena = Arena(fd, SIZE)
    view = arena.view(1, 4096, 5)
    del arena
    os.close(fd)
    assert bytes(view) == b"stays"


def _maps_of(fd: int) -> int:
    inode = str(os.fstat(fd).st_ino)
    with open("/proc/self/maps") as maps:
        return sum(line.split()[4] == inode for line in maps)


def test_a_closed_arena_is_mapped_no_more_and_reads_no_other_file(fd: int) -> None:
    arena = Arena(fd, SIZE)
    being_written = arena.writable(0, 3)
    arena.close()
    being_written[:] = b"abc"
    assert _maps_of(fd) == 1
    del being_written
    assert _maps_of(fd) == 0
    with pytest.raises(RaySystemError, match="shut down"):
        arena.writable(0, 3)
    with pytest.raises(RaySystemError, match="shut down"):
        arena.view(1, 0, 3)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM])
def test_a_process_that_may_not_map_any_more_gets_a_copy(fd: int, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> Any:
        raise OSError(number, "no more")

    os.pwrite(fd, b"copied", 4096)
    arena = Arena(fd, SIZE)
    monkeypatch.setattr(arenas, "_map_read_only", refuse)
    view = arena.view(3, 4096, 6)
    assert view == b"copied"
    assert arena.take_unpins() == (3).to_bytes(8, "little")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM])
@pytest.mark.parametrize("on_disk", [False, True], ids=["memory", "disk"])
def test_a_process_that_may_not_map_any_more_writes_by_pieces(
    fd: int, number: int, on_disk: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*arguments: Any, **keywords: Any) -> Any:
        raise OSError(number, "no more")

    monkeypatch.setattr(serialization, "_STEP", 1000)
    disk = os.open(tmp_path / "disk", os.O_RDWR | os.O_CREAT)
    os.ftruncate(disk, SIZE)
    value = serialize(["text", np.arange(20_000)])
    offset = (SIZE if on_disk else 0) + 4096
    with monkeypatch.context() as refused:
        arena = Arena(fd, SIZE, disk)
        refused.setattr(mmap, "mmap", refuse)
        arena.write(offset, value)
    data = Arena(fd, SIZE, disk).view(1, offset, value.size)
    assert bytes(data) == value.to_bytes()
    os.close(disk)


def test_what_cannot_be_written_is_told_with_where_to_look(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    value = serialize(np.arange(20_000))

    def refuses(number: int) -> Callable[..., Any]:
        def refuse(*arguments: Any) -> Any:
            raise OSError(number, os.strerror(number))

        return refuse

    def told() -> str:
        with pytest.raises(RaySystemError, match=rf"{value.size} bytes could not be written .* limits \(ulimit -a") as caught:
            Arena(fd, SIZE).write(0, value)
        return str(caught.value)

    monkeypatch.setattr(arenas.Arena, "writable", refuses(errno.EACCES))
    assert "Permission denied" in told()
    monkeypatch.setattr(arenas.Arena, "writable", refuses(errno.ENOMEM))
    monkeypatch.setattr(os, "pwrite", refuses(errno.EFBIG))
    assert "File too large" in told()


def test_a_block_beyond_the_end_is_an_error(fd: int) -> None:
    with pytest.raises((ValueError, OSError)):
        Arena(fd, SIZE).view(1, SIZE, 4096)
