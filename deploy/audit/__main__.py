"""`make audit`: pins, licences, and known vulnerabilities by a database that is given.

make audit ADVISORIES=FOLDER_OR_ZIP    by OSV records, without a network
make audit ADVISORIES=online           by the service that pip-audit asks
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name

from deploy.audit import licences, pins
from deploy.audit.advisories import Advisories, NoAdvisories
from deploy.audit.osv_server import answering
from deploy.setup.steps import PROJECT

LOCKS: Final = ("requirements.lock", *(f"deploy/setup/{name}.lock" for name in ("cdk", "emulator", "mongod", "node")))
NPM_LOCKS: Final = ("services/console/web/package-lock.json", "deploy/setup/buf/package-lock.json")
ONLINE: Final = "online"
NOT_LOOKED_UP: Final = (
    "not looked up, no database was given: make audit ADVISORIES=FOLDER (OSV records, such as a checkout of the PyPA's "
    "advisory-database), or ADVISORIES=online"
)


def main(arguments: Sequence[str] = ()) -> int:
    """0 when nothing was found, 1 when something was, 2 when what was given is no database."""
    rules = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["tool"]["assay-audit"]
    failed = _say("pins", _unpinned())
    failed |= _say("licences", _refused(rules))
    given = arguments[0] if arguments else ""
    if not given:
        print(f"  - vulnerabilities: {NOT_LOOKED_UP}")
        return int(failed)
    try:
        found = _vulnerable(given, rules["accepted-advisories"])
    except NoAdvisories as error:
        print(f"  ✗ vulnerabilities: {error}")
        return 2
    return int(failed | found)


def _say(name: str, problems: Iterator[str]) -> bool:
    found = list(problems)
    print(f"  {'✗' if found else '✓'} {name}")
    for problem in found:
        print(f"      {problem}")
    return bool(found)


def _unpinned() -> Iterator[str]:
    for lock in LOCKS:
        yield from (f"{lock}: {problem}" for problem in pins.unpinned((PROJECT / lock).read_text("utf-8")))
    for lock in NPM_LOCKS:
        yield from (f"{lock}: {problem}" for problem in pins.unpinned_npm((PROJECT / lock).read_text("utf-8")))


def _refused(rules: Mapping[str, Any]) -> Iterator[str]:
    allowed, exceptions = rules["licences"], rules["licence-exceptions"]
    text = (PROJECT / "requirements.lock").read_text("utf-8")
    names = {canonicalize_name(line.partition("==")[0]) for line in text.splitlines() if "==" in line}
    yield from licences.refused(allowed, exceptions, names)
    for lock in NPM_LOCKS:
        yield from licences.refused_npm((PROJECT / lock).read_text("utf-8"), allowed, exceptions)


def _vulnerable(given: str, accepted: Mapping[str, str]) -> bool:
    """Asks pip-audit for each lock file. Raises NoAdvisories."""
    with ExitStack() as stack:
        service: tuple[str, ...] = ()
        if given != ONLINE:
            database = Advisories.read(Path(given))
            print(f"  . {database.count:,} advisories about PyPI, the newest of {database.newest[:10] or 'no date'}")
            service = ("--vulnerability-service", "osv", "--osv-url", stack.enter_context(answering(database)))
        cache = stack.enter_context(tempfile.TemporaryDirectory())
        options = [*service, "--cache-dir", cache, *(f"--ignore-vuln={name}" for name in accepted)]
        results = [_audited(PROJECT / lock, options) for lock in LOCKS]
    return any(results)


def _audited(lock: Path, options: Sequence[str]) -> bool:
    command = (sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--disable-pip", "--require-hashes")
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    done = subprocess.run(
        [*command, "--progress-spinner", "off", "--desc", "off", *options],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    name = lock.relative_to(PROJECT)
    print(f"  {'✗' if done.returncode else '✓'} vulnerabilities: {name}")
    if done.returncode:
        print("\n".join(f"      {line}" for line in (done.stdout + done.stderr).strip().splitlines()))
    return done.returncode != 0


if __name__ == "__main__":
    sys.exit(main([argument for argument in sys.argv[1:] if argument]))
