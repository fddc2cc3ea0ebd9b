"""A core that cannot start says why in one sentence, as one type of error, and leaves nothing behind."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mobula._core import binary, launch
from mobula._core.launch import CoreStartError, LaunchConfig
from mobula._version import __version__
from process_kit import descriptors, processes_of, until


@pytest.fixture
def program(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Puts something else in the core's place; afterwards nothing may be left of it."""
    before = descriptors()

    def make(content: str | bytes, mode: int = 0o755) -> Path:
        path = tmp_path / "mobula-core"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        monkeypatch.setenv(binary.VARIABLE, str(path))
        return path

    yield make
    assert descriptors() == before
    until("end of its processes", lambda: not processes_of(f"{place}/mobula-"))


def refusal(config: LaunchConfig | None = None) -> str:
    with pytest.raises(CoreStartError) as caught:
        launch.start(config or LaunchConfig(timeout_s=5))
    assert isinstance(caught.value, RuntimeError)
    return str(caught.value)


def test_missing(program: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(binary.VARIABLE, "/nowhere/mobula-core")
    assert refusal().startswith("mobula-core was not found: looked for /nowhere/mobula-core (from MOBULA_CORE). Install")
    monkeypatch.delenv(binary.VARIABLE)
    monkeypatch.setattr(binary, "PACKAGED", tmp_path / "bin" / "mobula-core")
    assert f"{tmp_path}/bin/mobula-core (in the package; MOBULA_CORE is not set)" in refusal()


def test_not_executable(program: Callable[..., Path]) -> None:
    path = program("#!/bin/sh\n", mode=0o644)
    assert refusal().startswith(f"mobula-core may not be executed: {path} has mode 0644 and belongs to uid {os.getuid()}")


def test_wrong_machine(program: Callable[..., Path]) -> None:
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, 243) + bytes(44)
    path = program(header)
    assert refusal() in (f"mobula-core is built for RISC-V, this machine is {name}: {path}" for name in ("x86-64", "arm64"))


def test_not_a_program(program: Callable[..., Path]) -> None:
    path = program("just text, long enough to have a header")
    assert refusal() == f"mobula-core is not a Linux program: {path} starts with b'just'"


def test_interpreter_of_a_wrapper_is_missing(program: Callable[..., Path]) -> None:
    path = program("#!/nowhere/sh\n")
    assert refusal() == f"mobula-core cannot be executed: No such file or directory: {path}"


def test_other_version(program: Callable[..., Path]) -> None:
    path = program("#!/bin/sh\necho 'mobula-core|1|9.9.9|unix|/x'\nsleep 1000\n")
    assert refusal().startswith(f"mobula-core is version 9.9.9, the mobula package version {__version__}: {path}; install")


def test_other_protocol(program: Callable[..., Path]) -> None:
    program(f"#!/bin/sh\necho 'mobula-core|2|{__version__}|unix|/x'\nsleep 1000\n")
    assert refusal().startswith("mobula-core speaks another start-up protocol")


def test_something_else(program: Callable[..., Path]) -> None:
    path = program("#!/bin/sh\necho hello\nsleep 1000\n")
    assert refusal() == f"{path} is not mobula-core: it said b'hello\\n'"


def test_exits_at_once(program: Callable[..., Path]) -> None:
    path = program("#!/bin/sh\necho 'first' >&2\necho 'the reason' >&2\nexit 7\n")
    text = refusal()
    assert "exited with code 7 before it listened" in text
    assert str(path) in text
    assert text.endswith("It said:\n  first\n  the reason")


def test_is_killed(program: Callable[..., Path]) -> None:
    program("#!/bin/sh\nkill -9 $$\n")
    assert "was killed by SIGKILL before it listened" in refusal()


def test_says_nothing(program: Callable[..., Path]) -> None:
    program("#!/bin/sh\necho 'still looking' >&2\nexec sleep 1000\n")
    assert refusal(LaunchConfig(timeout_s=0.3)).startswith("mobula-core did not listen within 0.3 s")


def test_no_permission(program: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    text = refusal(LaunchConfig(temp_dir=str(tmp_path / "file" / "below")))
    assert text == f"no folder for the session could be made; tried {tmp_path}/file/below (Not a directory)"


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "no space left"), (errno.EACCES, "Permission denied"), (errno.EROFS, "Read-only")]
)
def test_no_place_for_the_folder(program: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, number: int, words: str) -> None:
    def refuse(path: str, mode: int = 0o777) -> None:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(os, "mkdir", refuse)
    text = refusal()
    assert text.startswith("no folder for the session could be made; tried /tmp/mt-")
    assert words in text


def test_path_too_long_for_a_socket(program: Callable[..., Path], tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90)
    assert "too long for a socket: Linux takes 107 bytes" in refusal(LaunchConfig(temp_dir=str(deep)))
    assert not deep.exists()


def test_no_memory(program: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "ftruncate", refuse)
    assert refusal().startswith("there is no space to start mobula-core")


def test_workers_have_no_interpreter(program: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "exited with code 5" in refusal(LaunchConfig(python="/nowhere/python"))
    monkeypatch.setattr("sys.executable", "")
    assert "sys.executable is empty" in refusal()
