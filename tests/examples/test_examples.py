"""The example programs, run as a newcomer runs them: each checks itself and says so with its exit status."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name: str, *args: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    # -W error would also hit the example's own process only; warnings of users' programs are the users' business.
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, args)], cwd=cwd, capture_output=True, text=True, timeout=100, check=False
    )


def checked(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_demo_scans_the_repository(tmp_path: Path) -> None:
    out = checked(run("scan_tree.py", cwd=tmp_path))
    assert "Everything was as it should be" in out
    assert "mobula.get() raised TaskCancelledError" in out
    assert "WRONG" not in out
    assert "\x1b[" not in out, "no terminal, so no cursor movements"


def test_the_demo_on_a_tree_of_one_empty_file(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "empty").touch()
    assert "Everything was as it should be" in checked(run("scan_tree.py", tree, cwd=tmp_path))


def test_the_demo_on_a_tree_full_of_traps(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "plain.txt").write_text("one\ntwo\n")
    (tree / "zeros.bin").write_bytes(bytes(3 << 20))
    (tree / os.fsdecode(b"not-utf-8-\xff")).write_bytes(b"\xff\xfe\n")
    (tree / "circle").symlink_to(tree)
    (tree / "nowhere").symlink_to(tree / "missing")
    os.mkfifo(tree / "pipe")
    (tree / "locked").write_text("secret")
    (tree / "locked").chmod(0)
    (tree / ".hidden").mkdir()
    (tree / ".hidden" / "file").write_text("not counted")
    out = checked(run("scan_tree.py", tree, cwd=tmp_path))
    assert "3 links and special files" in out
    assert "1 hidden folders and caches" in out
    readable = 4 if os.access(tree / "locked", os.R_OK) else 3  # root reads everything
    assert f"{tree}: {readable} files" in out


def test_the_demo_keeps_to_its_limits(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for i in range(30):
        (tree / f"{i:02}.txt").write_text("line\n" * i)
    out = checked(run("scan_tree.py", tree, "--max-files", "10", cwd=tmp_path))
    assert f"{tree}: 10 files" in out
    assert "20 files over the limits" in out


def test_the_demo_says_why_it_cannot_begin(tmp_path: Path) -> None:
    empty = run("scan_tree.py", tmp_path, cwd=tmp_path)
    assert (empty.returncode, empty.stderr) == (2, "There is no file to read in this folder.\n")
    missing = run("scan_tree.py", tmp_path / "missing", cwd=tmp_path)
    assert missing.returncode == 2
    assert "is not a folder" in missing.stderr


def test_the_demo_redraws_its_bars_on_a_terminal(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    program = [sys.executable, str(EXAMPLES / "scan_tree.py")]
    with subprocess.Popen(program, cwd=tmp_path, stdout=follower, stderr=follower, env={**os.environ, "TERM": "xterm"}) as demo:
        os.close(follower)
        out = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # EIO: the last writer is gone
                break
            if not part:
                break
            out += part
    os.close(leader)
    assert demo.returncode == 0, out.decode(errors="replace")
    assert b"\x1b[5A" in out, "five bars, drawn over each other"


def test_the_demo_is_interrupted_in_a_word(tmp_path: Path) -> None:
    program = [sys.executable, "-u", str(EXAMPLES / "scan_tree.py")]
    with subprocess.Popen(program, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        assert "mobula demo" in demo.stdout.readline()
        demo.send_signal(signal.SIGINT)
        _, err = demo.communicate(timeout=60)
    assert (demo.returncode, err) == (130, "\nInterrupted.\n")


@pytest.mark.parametrize(
    ("name", "error", "state"),
    [
        ("sync_actor.py", "get raised TaskCancelledError", "the actor lives: canceled=True"),
        ("async_actor.py", "TaskCancelledError", "the actor lives: ['canceled', 'finally']"),
    ],
)
def test_the_seeds_programs(tmp_path: Path, name: str, error: str, state: str) -> None:
    out = checked(run(name, cwd=tmp_path))
    assert error in out
    assert state in out
