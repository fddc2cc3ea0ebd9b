"""The file that large objects are spilled to: made here, empty, and without a name from the start.

Owns the one thing that nobody has to clean up: its bytes are the file system's again as soon as the last process of the session
is gone, however that went.
"""

from __future__ import annotations

import errno
import os
import tempfile

from mobula._core.start_error import CoreStartError

# What file systems and kernels say that cannot make a file without a name.
_UNSUPPORTED = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL}


def make(directory: str | None) -> int:
    """A descriptor of a new file in `directory`, else in the system's temporary folder; mode 0600, closed on exec.

    Raises CoreStartError when `directory` takes none. -1, and so no spilling, when nobody named a folder and there is none.
    """
    try:
        where = directory or tempfile.gettempdir()
        if directory:
            os.makedirs(directory, mode=0o700, exist_ok=True)
        try:
            return os.open(where, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
        fd, path = tempfile.mkstemp(prefix=f"mobula-spill-{os.getuid()}-", dir=where)  # O_EXCL, 0600
        os.unlink(path)
        return fd
    except OSError as error:
        if not directory:
            return -1
        raise CoreStartError(
            f"no file for spilling objects could be made in {directory} ({error.strerror}); "
            "give init(object_spilling_directory=) a folder that can be written to"
        ) from error
