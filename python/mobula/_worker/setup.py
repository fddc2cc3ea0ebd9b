"""The helper process that sets an environment up before any worker starts in it: `pip`, `uv`, `py_executable`.

Started by the core (coreworker/workers/prepare.go), one for each environment, so that nothing waits for it but those who want
that environment. It answers with one packet: the command of the interpreter and a descriptor with a lock on what it made, or
what failed.
"""

from __future__ import annotations

import json
import os
import socket
import traceback
from collections.abc import Mapping
from typing import Any, NoReturn

from mobula._core import inherited
from mobula._env import executable, places, venv
from mobula._worker import lifeline
from mobula.exceptions import RuntimeEnvSetupError

#: Where pip finds the working_dir (`-r ${RAY_RUNTIME_ENV_CREATE_WORKING_DIR}/requirements.txt`); Ray's name.
WORKING_DIR_VARIABLE = "RAY_RUNTIME_ENV_CREATE_WORKING_DIR"
_CONFIG_FD = 4
_LONGEST_ANSWER = 60_000


def run_setup(certificate: Mapping[str, Any]) -> NoReturn:
    """Set the environment up and answer. Entered by the bootstrap of the core."""
    lifeline.set_name("mobula-setup")
    os.close(_CONFIG_FD)
    control = socket.socket(fileno=certificate["control_fd"])
    control.set_inheritable(False)
    try:
        command, lock = set_up(certificate)
    except RuntimeEnvSetupError as error:
        _answer(control, {"failure": error.error_message}, [])
    except Exception:  # noqa: BLE001 - whatever it was: those who wait are to be told
        _answer(control, {"failure": traceback.format_exc()}, [])
    else:
        _answer(control, {"command": command}, [lock] if lock >= 0 else [])
    os._exit(0)


def set_up(certificate: Mapping[str, Any]) -> tuple[list[str], int]:
    """The interpreter's command for TaskSpec.runtime_env of the certificate, and a lock (-1: none)."""
    env = inherited.merged(certificate["options"].get("runtime_env") or {}, json.loads(certificate["runtime_env"]))
    folder = certificate["options"].get("cwd") or "/"
    if env.get("working_dir"):
        folder = places.path_of(env["working_dir"], certificate["session_dir"])
        os.environ[WORKING_DIR_VARIABLE] = folder
    if env.get("py_executable"):
        return executable.resolve(env["py_executable"], folder), -1
    kind = "pip" if env.get("pip") else "uv"
    python, lock = venv.build(kind, env[kind])
    return [python], lock


def _answer(control: socket.socket, fields: Mapping[str, Any], fds: list[int]) -> None:
    raw = json.dumps(fields).encode()
    if len(raw) > _LONGEST_ANSWER:
        raw = json.dumps({"failure": str(fields.get("failure"))[-_LONGEST_ANSWER // 8 :]}).encode()
    socket.send_fds(control, [raw], fds)
