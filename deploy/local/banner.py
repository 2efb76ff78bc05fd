"""What `assay dev` prints when it is ready: where everything is, and what to do next."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from deploy.local.children import Backing
from deploy.local.console import PAGE


def banner(folder: Path, address: str, console: str, health_port: int, backing: Backing, seconds: float) -> str:
    rows = [
        ("console", f"{console}   ({'`assay open` signs you in' if PAGE.exists() else 'not built yet: `make page`'})"),
        ("gRPC", address),
        ("NATS", without_password(backing.nats_url)),
        ("MongoDB", without_password(backing.mongo_url)),
        ("health", f"http://127.0.0.1:{health_port}/readyz   (also /healthz, /metrics)"),
        ("data", f"{_short(folder)}   (API key in api-key, servers' output in logs/)"),
    ]
    lines = ["", f"  {_bold('Assay')} {_version()} is ready, in {seconds:.1f} s. Ctrl-C stops it.", ""]
    lines += [f"  {name:<9}{value}" for name, value in rows]
    lines += ["", "  Now, in another terminal:", "    assay submit agent.py -q 'a question' --follow", ""]
    return "\n".join(lines)


def without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else url


def _short(folder: Path) -> str:
    try:
        return str(folder.relative_to(Path.cwd())) or "."
    except ValueError:
        return str(folder)


def _version() -> str:
    try:
        return version("assay")
    except PackageNotFoundError:
        return "(not installed)"


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text
