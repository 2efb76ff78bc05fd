"""Our environment, and what children may see of it."""

from __future__ import annotations

import posix as os  # what is in os without what makes its import cost a millisecond
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


ENVIRONMENT = {
    name.decode("utf-8", "surrogateescape"): value.decode("utf-8", "surrogateescape")
    for name, value in os.environ.items()
}
IN_CONTAINER = "ASSAY_CONTEXT_URL" in ENVIRONMENT
# What an image says about itself. One that needs more for its agents names it in ASSAY_PASS_ENV, separated by spaces.
OF_THE_IMAGE = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
# The role of an ECS task: how an agent reaches the models that its test may use. Never for an installer.
REGION = ("AWS_REGION", "AWS_DEFAULT_REGION")  # of the task, unless the test names one
OF_THE_TASK = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_EXECUTION_ENV")


def environment_of_children() -> dict[str, str]:
    """What children may see of our environment: everything but what was meant for us; in a container, where others put
    things too, only what the image says about itself."""
    env = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("ASSAY_")}
    if IN_CONTAINER:
        passed = (*OF_THE_IMAGE, *ENVIRONMENT.get("ASSAY_PASS_ENV", "").split())
        env = {name: env[name] for name in passed if name in env}
        home = ENVIRONMENT.get("HOME", "")  # container runtimes set it from /etc/passwd: /nonexistent, or /
        if home and os.access(home, os.W_OK):
            env["HOME"] = home
    env.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    env.setdefault("HOME", os.getcwd())
    env.setdefault("LANG", "C.UTF-8")
    return env


def change_environment(env: Mapping[str, str]) -> None:
    """Of this process: what C code sees, and what the `os` of the agent will copy when it is imported."""
    for old in list(os.environ):
        os.unsetenv(old)
    os.environ.clear()
    for name, value in env.items():
        raw = name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape")
        os.putenv(*raw)
        os.environ[raw[0]] = raw[1]


def find_program(name: str, path: str) -> str | None:
    for folder in path.split(":"):
        candidate = f"{folder}/{name}"
        if folder and os.access(candidate, os.X_OK):
            return candidate
    return None
