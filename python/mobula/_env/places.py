"""Where the copies of a session lie, and the URIs that name them. Loaded by every worker, so it imports next to nothing."""

from __future__ import annotations

import os
import re

_FOLDER = "env"
# Ray's form, so that what the runtime context shows is what a program of Ray's expects. Here it names a folder of the session.
_URI = re.compile(r"gcs://_ray_pkg_([0-9a-f]{40})\.zip")


def is_uri(text: str) -> bool:
    """Whether this names something by protocol, rather than a path."""
    from urllib.parse import urlparse  # here: `import mobula` does without

    return bool(urlparse(text).scheme)


def path_of(uri: str, session_dir: str) -> str:
    """Where the package that a URI names is in this session. Raises ValueError where there is none."""
    if uri.startswith("local://"):
        from urllib.parse import urlparse

        path = urlparse(uri).path
        if not os.path.isabs(path) or not os.path.isdir(path):
            raise ValueError(f"{uri}: there is no such folder; local:// is followed by an absolute path")
        return path
    named = _URI.fullmatch(uri)
    path = os.path.join(session_dir, _FOLDER, named[1]) if named else ""
    if not os.path.isdir(path):
        raise ValueError(f"{uri} names no package of this session")
    return path


def uri_of(name: str) -> str:
    """The URI of the package with this name."""
    return f"gcs://_ray_pkg_{name}.zip"


def kept_path(name: str, session_dir: str) -> str:
    """Where something small is kept."""
    return os.path.join(session_dir, _FOLDER, name + ".bytes")


def kept_bytes(name: str, session_dir: str) -> bytes:
    """What `package.keep_bytes` was given."""
    with open(kept_path(name, session_dir), "rb") as file:
        return file.read()


def folder_of(session_dir: str) -> str:
    """The folder of the copies, made where it is missing."""
    path = os.path.join(session_dir, _FOLDER)
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path
