"""Copies of folders and files that workers run in: what is edited afterwards changes no worker that runs.

Owns the folder `env` of a session, which goes with the session. A copy is named by its content, so the same content is there
once, and it is made beside its place and moved there, so it is whole or not there at all.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mobula._env.ignore import Rules, rules_in
from mobula._env.places import folder_of, kept_path, uri_of
from mobula.exceptions import RuntimeEnvSetupError

ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar.xz")
WHEEL = ".whl"
# Ray's limit, which there is the longest message that its services take, and its variable.
LARGEST = 512 << 20
LARGEST_VARIABLE = "RAY_max_grpc_message_size"
LARGE_FILE = 10 << 20
# Never in a .gitignore, or useless elsewhere. Ray's list and its variable.
DEFAULT_EXCLUDES = ".git,.venv,venv,__pycache__"
DEFAULT_EXCLUDES_VARIABLE = "RAY_OVERRIDE_RUNTIME_ENV_DEFAULT_EXCLUDES"
IGNORE_GITIGNORE_VARIABLE = "RAY_RUNTIME_ENV_IGNORE_GITIGNORE"

if TYPE_CHECKING:
    from typing_extensions import Self

_log = logging.getLogger("mobula")


def default_excludes() -> list[str]:
    """What is left out of a working_dir whatever its ignore files say."""
    listed = os.environ.get(DEFAULT_EXCLUDES_VARIABLE, DEFAULT_EXCLUDES)
    return [name.strip() for name in listed.split(",") if name.strip()]


def add_folder(path: str, session_dir: str, excludes: Sequence[str], *, inside: str = "") -> str:
    """Copies a folder into the session, or finds that its content is there; returns the copy's URI.

    `inside` is a folder of the copy to put it in, "" for the copy itself. Raises RuntimeEnvSetupError when it is too large or
    cannot be read.
    """
    root = os.path.abspath(path)
    gitignore = os.environ.get(IGNORE_GITIGNORE_VARIABLE, "0") != "1"
    try:
        entries = sorted(_walk(root, [Rules(root, excludes)], gitignore, ()))
        _check_size(root, sum(os.stat(entry).st_size for entry in entries if os.path.isfile(entry)))
        with _Copy(session_dir) as copy:
            for entry in entries:
                copy.take(entry, os.path.join(inside, os.path.relpath(entry, root)))
            return copy.finish()
    except OSError as error:
        raise RuntimeEnvSetupError(f"Failed to copy {path}: {error}") from error


def add_file(path: str, session_dir: str) -> str:
    """The same for a single file, which keeps its name."""
    try:
        _check_size(path, os.stat(path).st_size)
        with _Copy(session_dir) as copy:
            copy.take(path, os.path.basename(path))
            return copy.finish()
    except OSError as error:
        raise RuntimeEnvSetupError(f"Failed to copy {path}: {error}") from error


def add_archive(path: str, session_dir: str) -> str:
    """The same for a .zip, .tar.gz, .tgz, .tar.xz or .whl, which is unpacked."""
    try:
        _check_size(path, os.stat(path).st_size)
        with _Copy(session_dir) as copy:
            _unpack(path, copy.folder)
            copy.note("archive", path)
            return copy.finish()
    except (OSError, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise RuntimeEnvSetupError(f"Failed to unpack {path}: {error}") from error


def keep_bytes(data: bytes, session_dir: str) -> str:
    """Keeps something small beside the packages; returns the name that `kept_bytes` takes."""
    name = hashlib.sha256(data).hexdigest()[:40]
    folder = folder_of(session_dir)
    draft = os.path.join(folder, f".{secrets.token_hex(8)}")
    with open(draft, "wb") as file:
        file.write(data)
    os.replace(draft, kept_path(name, session_dir))
    return name


def _walk(path: str, rules: list[Rules], gitignore: bool, above: tuple[str, ...]) -> Iterator[str]:
    """All files, and folders that are empty. Links are followed, as Ray does, but not back up to where they came from."""
    real = os.path.realpath(path)
    if real in above:
        return
    rules = [*rules, *rules_in(path, gitignore=gitignore)]
    empty = True
    with os.scandir(path) as entries:
        for entry in entries:
            empty = False
            is_dir = entry.is_dir()
            if any(rule.leave_out(entry.path, is_dir=is_dir) for rule in rules):
                continue
            if is_dir:
                yield from _walk(entry.path, rules, gitignore, (*above, real))
            elif entry.is_file():
                yield entry.path
    if empty:
        yield path


def _check_size(path: str, size: int) -> None:
    largest = int(os.environ.get(LARGEST_VARIABLE) or LARGEST)
    if size >= largest:
        raise RuntimeEnvSetupError(
            f"{path}: Package size ({size / 2**20:.2f}MiB) exceeds the maximum size of {largest / 2**20:.2f}MiB. To exclude large "
            "files, add them to '.gitignore' or '.rayignore' files, or use the 'excludes' option in the runtime_env"
        )


def _unpack(path: str, target: str) -> None:
    if not path.endswith((".zip", WHEEL)):
        with tarfile.open(path) as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(target, filter="data")
            else:
                _refuse_escapes(archive, target)
                archive.extractall(target)
        return
    with zipfile.ZipFile(path) as packed:
        packed.extractall(target)
        for member in packed.infolist():
            mode = (member.external_attr >> 16) & 0o777
            unpacked = os.path.join(target, member.filename)
            if mode and os.path.isfile(unpacked):
                os.chmod(unpacked, mode | 0o600)
    if path.endswith(WHEEL):
        _spread(target)


def _refuse_escapes(archive: tarfile.TarFile, target: str) -> None:
    root = os.path.realpath(target) + os.sep
    for member in archive.getmembers():
        if not member.isdir() and not member.isfile():
            raise tarfile.TarError(f"{member.name} is neither a file nor a folder")
        if not os.path.realpath(os.path.join(target, member.name)).startswith(root) and member.name not in (".", "./"):
            raise tarfile.TarError(f"{member.name} lies outside of the archive")


def _spread(target: str) -> None:
    """Puts what a wheel keeps in `name.data/purelib` and `platlib` where it is imported from."""
    for data in os.listdir(target):
        for kind in ("purelib", "platlib"):
            library = os.path.join(target, data, kind)
            if data.endswith(".data") and os.path.isdir(library):
                shutil.copytree(library, target, dirs_exist_ok=True)


class _Copy:
    """A copy under way: takes entries one by one and hashes what it really wrote."""

    def __init__(self, session_dir: str) -> None:
        self._home = folder_of(session_dir)
        self.folder = os.path.join(self._home, f".{secrets.token_hex(8)}")
        self._digest = hashlib.sha256()

    def __enter__(self) -> Self:
        os.mkdir(self.folder, 0o700)
        return self

    def __exit__(self, *failure: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def take(self, source: str, name: str) -> None:
        """Copies a file with its mode, or makes an empty folder."""
        target = os.path.join(self.folder, name)
        if os.path.isdir(source):
            self._digest.update(f"folder {name}\0".encode("utf-8", "surrogateescape"))
            os.makedirs(target, mode=0o700, exist_ok=True)
            return
        os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        with open(source, "rb") as reader:
            info = os.fstat(reader.fileno())
            if info.st_size >= LARGE_FILE:
                _log.warning(
                    "%s is very large (%.2fMiB): 'excludes' of the runtime_env leaves out what workers do not need",
                    source,
                    info.st_size / 2**20,
                )
            mode = stat.S_IMODE(info.st_mode)
            with open(target, "wb") as writer:
                content = hashlib.sha256()
                while chunk := reader.read(1 << 20):
                    content.update(chunk)
                    writer.write(chunk)
        os.chmod(target, mode | 0o600)
        os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))
        self._digest.update(f"file {name}\0{mode & 0o111}\0{content.hexdigest()}\0".encode("utf-8", "surrogateescape"))

    def note(self, what: str, path: str) -> None:
        """Lets the content of a file outside of the copy count."""
        with open(path, "rb") as file:
            content = hashlib.sha256()
            while chunk := file.read(1 << 20):
                content.update(chunk)
        self._digest.update(f"{what} {os.path.splitext(path)[1]}\0{content.hexdigest()}\0".encode())

    def finish(self) -> str:
        """Gives the copy its name."""
        name = self._digest.hexdigest()[:40]
        place = os.path.join(self._home, name)
        if not os.path.isdir(place):
            try:
                os.rename(self.folder, place)
            except OSError:
                if not os.path.isdir(place):  # else another process was faster, with the same content
                    raise
        return uri_of(name)
