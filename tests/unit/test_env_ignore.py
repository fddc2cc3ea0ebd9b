"""Patterns of ignore files: git's rules, as a table."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mobula._env.ignore import Rules, rules_in
from mobula._env.package import add_file, add_folder
from mobula._env.places import path_of


@pytest.mark.parametrize(
    ("patterns", "path", "left_out"),
    [
        (["a"], "a", True),
        (["a"], "x/a", True),
        (["a"], "a/b/c", True),
        (["a"], "ab", False),
        (["/a"], "a", True),
        (["/a"], "x/a", False),
        (["x/a"], "x/a", True),
        (["x/a"], "y/x/a", False),
        (["a/"], "a", False),
        (["a/"], "a/b", True),
        (["*.log"], "x/y.log", True),
        (["*.log"], "y.log.txt", False),
        (["*.log", "!keep.log"], "keep.log", False),
        (["!keep.log", "*.log"], "keep.log", True),
        (["a?c"], "abc", True),
        (["a?c"], "a/c", False),
        (["a*c"], "a/c", False),
        (["[ab].txt"], "b.txt", True),
        (["[!ab].txt"], "b.txt", False),
        (["[!ab].txt"], "c.txt", True),
        (["**/logs"], "a/b/logs", True),
        (["**/logs"], "logs", True),
        (["a/**/b"], "a/b", True),
        (["a/**/b"], "a/x/y/b", True),
        (["a/**"], "a/x/y", True),
        (["a/**"], "a", False),
        (["# a"], "# a", False),
        (["\\#a"], "#a", True),
        (["\\!a"], "!a", True),
        (["a  "], "a", True),
        (["", "   "], "a", False),
        (["a+b(c)"], "a+b(c)", True),
        (["["], "[", True),
    ],
)
def test_what_a_pattern_leaves_out(patterns: list[str], path: str, left_out: bool) -> None:
    assert Rules("/root", patterns).leave_out(f"/root/{path}", is_dir=False) is left_out


def test_a_folder_s_files_say_what_holds_below_it(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("a\n")
    (tmp_path / ".rayignore").write_text("b\r\n")
    both, ray_only = rules_in(str(tmp_path), gitignore=True), rules_in(str(tmp_path), gitignore=False)
    assert [[rule.leave_out(str(tmp_path / name), is_dir=False) for rule in both] for name in "ab"] == [
        [True, False],
        [False, True],
    ]
    assert [rule.leave_out(str(tmp_path / "b"), is_dir=False) for rule in ray_only] == [True]


def test_a_copy_is_named_by_its_content(tmp_path: Path) -> None:
    session, source = tmp_path / "session", tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("1")
    first = add_folder(str(source), str(session), [])
    os.utime(source / "a", (0, 0))
    assert add_folder(str(source), str(session), []) == first, "when it was written does not count"
    names = {first}
    (source / "a").chmod(0o700)
    names.add(add_folder(str(source), str(session), []))
    (source / "a").write_text("2")
    names.add(add_folder(str(source), str(session), []))
    (source / "a").rename(source / "b")
    names.add(add_folder(str(source), str(session), []))
    assert add_file(str(source / "b"), str(session)) in names, "the same content"
    (source / "empty").mkdir()
    names.add(add_folder(str(source), str(session), []))
    names.add(add_folder(str(source), str(session), [], inside="within"))
    assert len(names) == 6
    assert all(Path(path_of(name, str(session))).is_dir() for name in names)
    assert len(list((session / "env").iterdir())) == len(names), "no draft is left"
