"""Runtime environments: `RuntimeEnv`, and how what `runtime_env=` asks for becomes what a call carries.

`checks` owns what the keys may be, `resolve` copies folders into the session. docs/runtime_env.md is the page for users.
"""

from __future__ import annotations

from mobula.runtime_env.checks import RuntimeEnvConfig, check_runtime_env
from mobula.runtime_env.env import RuntimeEnv
from mobula.runtime_env.resolve import encode, of_session, worker_options

__all__ = ["RuntimeEnv", "RuntimeEnvConfig", "check_runtime_env", "encode", "of_session", "worker_options"]
