"""Dockerfile and docker-compose.yml."""

from __future__ import annotations

import re
from typing import Any, Final

from services.packager.content.environment import at_address, defaults, needed
from services.packager.content.facts import PackageFacts
from services.packager.content.handed_in import copies, folders
from services.packager.content.names import image_name
from services.packager.content.system import COMPILER, apt_get, compiled, system_packages
from services.packager.content.text import Quoted, for_compose, yaml_file

_VERSION: Final = re.compile(r"(3\.[0-9]{1,2})(?:\.[0-9]+)?")
_DOCKERFILE: Final = """\
# Serves the agent on port {port}. README.md has the commands.
ARG BASE_IMAGE={base}

{system}FROM {image} AS build
{compiler}RUN python3 -m venv /opt/venv
COPY requirements.txt /tmp/requirements.txt
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check -r /tmp/requirements.txt

FROM {image}
COPY --from=build /opt/venv /opt/venv
{copies}\
# The one place that is written to: all else may be read-only. A VOLUME, so that it keeps its mode when it is mounted.
RUN chmod 1777 /tmp{folders}
VOLUME ["/tmp"]
ENV PATH=/opt/venv/bin:$PATH \\
    HOME=/tmp \\
    LANG=C.UTF-8 \\
    PORT={port} \\
    PYTHONDONTWRITEBYTECODE=1 \\
    PYTHONUNBUFFERED=1
WORKDIR /app
# nobody
USER 65534:65534
EXPOSE {port}
HEALTHCHECK --interval=15s --timeout=5s --start-period=90s CMD ["python", "/app/server.py", "--check"]
CMD ["python", "/app/server.py"]
"""


def python_version(facts: PackageFacts) -> str:
    """Major and minor. Raises ValueError for what is no version of Python 3."""
    found = _VERSION.fullmatch(facts.python_version)
    if not found:
        raise ValueError("python_version must be a version of Python 3")
    return found[1]


def base_image(facts: PackageFacts) -> str:
    """A small image with the Python of the test."""
    return f"python:{python_version(facts)}-slim-bookworm"


def port(facts: PackageFacts) -> int:
    """Where it answers. Raises ValueError."""
    if not 1 <= facts.options.port <= 65535:
        raise ValueError("port must be 1 to 65535")
    return facts.options.port


def dockerfile(facts: PackageFacts) -> bytes:
    """The tested Python, the tested packages, nobody as user."""
    system, compiler, image = "", "", "${BASE_IMAGE}"
    if names := system_packages(facts):
        system, image = f"# What the agent was tested with.\nFROM {image} AS system\n{apt_get(names)}\n", "system"
    if pins := compiled(facts):
        compiler = f"# To compile what no wheel was there for: {', '.join(pins)}\n{apt_get(COMPILER)}"
    text = _DOCKERFILE.format(
        base=base_image(facts),
        port=port(facts),
        system=system,
        compiler=compiler,
        image=image,
        copies=copies(facts),
        folders=folders(facts),
    )
    return text.encode("ascii")


def compose_file(facts: PackageFacts) -> bytes:
    """The agent, and an Ollama server with its model where it talks to one."""
    name, listens = Quoted(image_name(facts)), port(facts)
    agent: dict[str, Any] = {
        "build": {"context": ".", "dockerfile": "${DOCKERFILE:-Dockerfile}"},
        "image": name,
        "init": True,
        "restart": "unless-stopped",
        "ports": [f"127.0.0.1:${{PUBLISHED_PORT:-{listens}}}:{listens}"],
        "env_file": [{"path": ".env", "required": bool(needed(facts))}],
        "environment": {"PORT": str(listens)},
        "mem_limit": f"{facts.memory_mib}m",
        "read_only": True,
        "tmpfs": ["/tmp:exec,mode=1777"],  # noqa: S108 - in a container
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "stop_grace_period": "30s",
    }
    services: dict[str, Any] = {"agent": agent}
    file: dict[str, Any] = {"name": name, "services": services}
    if facts.model is not None and facts.model.provider == "ollama":
        address = "http://ollama:11434"
        agent["environment"] |= at_address(facts.model, address)
        agent["depends_on"] = {"ollama": {"condition": "service_healthy"}}
        services["ollama"] = {
            "image": "${OLLAMA_IMAGE:-ollama/ollama:latest}",
            "restart": "unless-stopped",
            "environment": {"OLLAMA_MODELS": "/models"},
            "volumes": ["models:/models"],
            "healthcheck": {"test": ["CMD", "ollama", "list"], "interval": "5s", "timeout": "5s", "retries": 24},
        }
        if model := defaults(facts).get("MODEL_ID"):
            agent["depends_on"]["ollama-model"] = {"condition": "service_completed_successfully"}
            services["ollama-model"] = {
                "image": "${OLLAMA_IMAGE:-ollama/ollama:latest}",
                "entrypoint": ["ollama", "pull", for_compose(model)],
                "environment": {"OLLAMA_HOST": address},
                "depends_on": {"ollama": {"condition": "service_healthy"}},
                "restart": "on-failure",
            }
        file["volumes"] = {"models": {}}
    return yaml_file(file, comment="# The agent on this machine: docker compose up -d --build (README.md)\n")
