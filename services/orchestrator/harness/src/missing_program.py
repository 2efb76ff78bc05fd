"""A program that an agent wanted to start and that is not there: how it is had."""

from __future__ import annotations

import sys

# program: the Debian package that brings it, where the names differ
DEBIAN = {
    "cc": "build-essential",
    "convert": "imagemagick",
    "dig": "bind9-dnsutils",
    "docker": "docker.io",
    "dot": "graphviz",
    "g++": "build-essential",
    "gcc": "build-essential",
    "java": "default-jre-headless",
    "make": "build-essential",
    "node": "nodejs",
    "npx": "npm",
    "pdftotext": "poppler-utils",
    "pg_dump": "postgresql-client",
    "ping": "iputils-ping",
    "ps": "procps",
    "psql": "postgresql-client",
    "rg": "ripgrep",
    "scp": "openssh-client",
    "soffice": "libreoffice",
    "ssh": "openssh-client",
    "tesseract": "tesseract-ocr",
}
OF_PYTHON = ("uv", "uvx", "pip", "pip3", "pipx", "poetry")  # a requirement of the same name brings it; uvx is uv's


def program_hint(error: BaseException) -> str:
    """Empty where that is not what went wrong."""
    if not isinstance(error, FileNotFoundError):
        return ""
    name = error.filename
    if not isinstance(name, str) or not name or "/" in name or not name.isprintable() or len(name) > 60:
        return ""
    place = error.__traceback__
    files = set()
    while place is not None:
        files.add(place.tb_frame.f_code.co_filename)
        place = place.tb_next
    started = getattr(sys.modules.get("subprocess"), "__file__", "")
    if started not in files:
        return ""
    if name in OF_PYTHON:
        return f"There is no program {name}: add {'uv' if name == 'uvx' else name} to the requirements."
    return (
        f"There is no program {name} where the agent runs: name the Debian package that brings it, as in "
        f"--system {DEBIAN.get(name, name)}."
    )
