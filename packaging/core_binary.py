"""Builds python/mobula/bin/mobula-core: the one place that knows how, for the Makefile and for the wheel alike.

Run it as a script from anywhere; it needs only the standard library. It refuses what cannot work (another operating
system, no Go and no binary) with one sentence, and leaves the question of what is stale to Go's own build cache.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = ROOT / "python" / "mobula" / "bin" / "mobula-core"
PACKAGE = "./cmd/mobula-core"

# GOARCH -> the wheel's platform. The binary is static, so one file serves glibc and musl alike.
_PLATFORMS = {
    "amd64": "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64",
    "arm64": "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
}
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class BuildError(RuntimeError):
    """The core cannot be built here; the text says why and what to do."""


def goarch() -> str:
    """The architecture to build for: GOARCH if set, else this machine's."""
    if not sys.platform.startswith("linux"):
        raise BuildError(f"mobula runs on Linux (x86-64 and arm64) only; this is {platform.system()}.")
    machine = os.environ.get("GOARCH") or platform.machine().lower()
    arch = _MACHINES.get(machine)
    if arch is None:
        raise BuildError(f"mobula runs on Linux on x86-64 and arm64 only; this machine is {machine}.")
    return arch


def wheel_tag() -> str:
    """The tag of a wheel that carries this binary: any Python 3, no ABI, one platform."""
    return f"py3-none-{_PLATFORMS[goarch()]}"


def build() -> Path:
    """Build the binary, or keep the one that is there when there is no Go; returns its path.

    Raises BuildError when there is neither Go nor a binary, or when the build fails (Go's own messages are on stderr).
    """
    arch = goarch()
    go = shutil.which("go")
    if go is None:
        if BINARY.is_file():
            return BINARY
        raise BuildError(
            "mobula-core is written in Go and no `go` was found on PATH: install Go 1.26 or newer (https://go.dev/dl) "
            "and try again, or install a wheel of mobula, which brings the binary with it."
        )
    BINARY.parent.mkdir(parents=True, exist_ok=True)
    command = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", str(BINARY), PACKAGE]
    # GOFLAGS of the user may add what a static build does not take; cgo is off by design, not by chance.
    env = {**os.environ, "CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": arch}
    try:
        subprocess.run(command, cwd=ROOT, env=env, check=True)
    except subprocess.CalledProcessError as error:
        raise BuildError(
            f"`go build` of mobula-core failed with exit status {error.returncode}; its messages are above."
        ) from error
    # Go leaves an up-to-date file alone, so make would see it as older than the sources for ever.
    os.utime(BINARY)
    return BINARY


if __name__ == "__main__":
    try:
        print(build().relative_to(ROOT))
    except BuildError as error:
        sys.exit(f"error: {error}")
