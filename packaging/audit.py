"""Asks the databases of known vulnerabilities about every dependency: govulncheck about the Go modules, pip-audit about what
packaging/dev.lock pins. `make audit` runs it.

    audit.py PIP_AUDIT

Exits with 0 when both answered and know of nothing, 1 when one knows of something, 2 when one could not be asked: then it says so,
for silence would be taken for an all-clear. Both databases are on the network, and both tools come from there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOVULNCHECK = "golang.org/x/vuln/cmd/govulncheck@v1.9.0"
#: govulncheck's exit code when it has found something that is called.
_GO_FOUND = 3


@dataclass
class Answer:
    """What one database said. `unasked` is why there is no answer, or not one for everything."""

    what: str
    found: list[str] = field(default_factory=list)
    unasked: str = ""

    def told(self) -> str:
        """One line, and one for each finding."""
        if self.found:
            return "\n  ".join([f"{self.what}: {len(self.found)} known vulnerabilities", *self.found])
        if self.unasked:
            return f"{self.what}: NOT AUDITED, nothing is known: {self.unasked}"
        return f"{self.what}: no known vulnerabilities"


def go() -> Answer:
    """The Go modules, as far as the core calls them."""
    answer = Answer("Go modules")
    done = subprocess.run(["go", "run", GOVULNCHECK, "./..."], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == _GO_FOUND or "Vulnerability #" in done.stdout:
        answer.found = [line for line in done.stdout.splitlines() if line.startswith("Vulnerability #")]
    elif done.returncode:
        answer.unasked = _last(done.stderr or done.stdout)
    return answer


def python(pip_audit: str) -> Answer:
    """What the lock pins for the Python that runs pip-audit."""
    answer = Answer("Python packages")
    command = [pip_audit, "--disable-pip", "--require-hashes", "--requirement", "packaging/dev.lock"]
    command += ["--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        answer.unasked = _last(done.stderr)
        return answer
    answer.found = [f"{one['name']} {one['version']}: {bug['id']}" for one in packages for bug in one.get("vulns", ())]
    # pip-audit counts what the database did not answer for as looked at, and exits with 0.
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    if skipped:
        answer.unasked = f"no answer for {len(skipped)} of {len(packages)} packages ({', '.join(skipped[:3])} …)"
    return answer


def _last(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if not line.startswith("exit status")]
    return lines[-1] if lines else "it said nothing"


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} PIP_AUDIT")
    answers = [go(), python(sys.argv[1])]
    for answer in answers:
        print(answer.told())
    if any(answer.found for answer in answers):
        return 1
    if any(answer.unasked for answer in answers):
        print("error: not everything could be asked; without a network there is no audit", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
