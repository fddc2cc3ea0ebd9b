"""`py_executable` of a runtime_env: a command that is to be used in the interpreter's place."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess

from mobula.exceptions import RuntimeEnvSetupError

_QUESTION = "import sys; print('python', *sys.version_info[:2])"
_LEAST = (3, 10)


def resolve(command: str, folder: str) -> list[str]:
    """The command as a list with an absolute program, after it has shown that it is a Python that can run a worker.

    A program with a slash is looked for in `folder`, others in PATH. Raises RuntimeEnvSetupError.
    """
    words = shlex.split(os.path.expandvars(command))
    program = shutil.which(words[0]) if os.sep not in words[0] else os.path.join(folder, words[0])
    if program is None or not os.path.isfile(program):
        raise RuntimeEnvSetupError(f"runtime_env['py_executable']: there is no program {words[0]!r} (of {command!r})")
    words[0] = program
    try:
        answer = subprocess.run([*words, "-c", _QUESTION], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise RuntimeEnvSetupError(f"runtime_env['py_executable']: {command!r} cannot be executed: {error}") from error
    said = answer.stdout.decode(errors="replace").split("python ")[-1].split()
    if answer.returncode != 0 or len(said) != 2 or not all(number.isdigit() for number in said):
        last = answer.stderr.decode(errors="replace").rstrip().splitlines()[-20:]
        raise RuntimeEnvSetupError("\n".join([f"runtime_env['py_executable']: {command!r} is not a Python interpreter", *last]))
    if (int(said[0]), int(said[1])) < _LEAST:
        raise RuntimeEnvSetupError(f"runtime_env['py_executable']: {command!r} is Python {'.'.join(said)}; workers need 3.10")
    return words
