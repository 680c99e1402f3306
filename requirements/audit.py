"""Ask for known vulnerabilities of everything that is locked: ``python -m requirements.audit [OPTION ...]``.

pip-audit does the asking: of PyPI, or of the service that the options name, which are its own. By itself it
tells apart only "none" and the rest. Here the exit status is 0 when every package was looked up and has none,
1 when one has some, and 2 when it cannot be said, which is neither.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from requirements.locks import LOCKS, read

__all__ = ["findings", "main", "never_looked_up"]

NONE_KNOWN, SOME_KNOWN, CANNOT_SAY = 0, 1, 2
_SECONDS: Final = 900.0
_WORDS_OF_THE_SERVICE: Final = 400

Json = dict[str, Any]


def never_looked_up(report: Json, locked: Sequence[str]) -> list[str]:
    """Return the locked packages of which the report says nothing; one that was skipped is one of them."""
    answered = {one["name"] for one in report["dependencies"] if "vulns" in one}
    return sorted(set(locked) - answered)


def findings(report: Json, locks: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for each vulnerability: the package, where it is locked, and what mends it.

    ``locks``: the packages of each lock file, by its name.
    """
    lines = []
    for one in report["dependencies"]:
        where = ", ".join(lock for lock, names in locks.items() if one["name"] in names)
        for known in one.get("vulns", ()):
            fixed = " or ".join(known["fix_versions"]) or "no version yet"
            lines.append(f"{one['name']} {one['version']} ({where}): {known['id']}, mended by {fixed}")
    return lines


def main(options: Sequence[str]) -> int:
    """Ask, and say what came of it; the exit status."""
    locks = {lock.name: [one.name for one in read(lock) if one.is_installed_on({})] for lock in LOCKS}
    locked = sorted({name for names in locks.values() for name in names})
    # Strict: pip-audit would otherwise pass over what the service does not know, and end with 0.
    command = [sys.executable, "-m", "pip_audit", "--strict", "--format=json", "--progress-spinner=off"]
    command += ["--disable-pip", *(f"--requirement={lock}" for lock in LOCKS), *options]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return cannot_say(f"pip-audit was not done after {_SECONDS:.0f} s")
    try:
        report = json.loads(asked.stdout)
        missing = never_looked_up(report, locked)
    except (ValueError, KeyError, TypeError):
        said = asked.stderr.strip()[-_WORDS_OF_THE_SERVICE:].rpartition("\n")[2] or "nothing"
        return cannot_say(f"pip-audit ended with {asked.returncode} and said: {said}")
    if missing:
        return cannot_say(f"no answer for {len(missing)} of {len(locked)} packages: {', '.join(missing[:5])}")
    if found := findings(report, locks):
        print("\n".join(found))
        print(f"audit: {len(found)} known vulnerabilities; upgrade with `make lock`", file=sys.stderr)
        return SOME_KNOWN
    print(f"audit: {len(locked)} packages of {', '.join(locks)} have no known vulnerability")
    return NONE_KNOWN


def cannot_say(why: str) -> int:
    """Tell a person that this was no audit, and what would make it one."""
    print(
        f"audit: it cannot be said whether what is locked has known vulnerabilities: {why}\n"
        "audit: this needs a network in which PyPI's vulnerability service answers, or another one "
        "(`make audit ARGS='--vulnerability-service osv'`)",
        file=sys.stderr,
    )
    return CANNOT_SAY


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
