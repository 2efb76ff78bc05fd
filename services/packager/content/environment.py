"""Which variables the agent needs: names without values for what the test set, values only from the model setting."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from services.packager.content.facts import ModelFacts, PackageFacts
from services.packager.content.text import json_file
from shared.domain.models import model_environment, provider_of

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SAFE_VALUE: Final = re.compile(r"[A-Za-z0-9_./:@%+,=-]+")
_LOCAL: Final = ("localhost", "host.docker.internal", "0.0.0.0", "::1")  # noqa: S104 - names to look for
MOST_WORKERS: Final = 4
_SMALLEST_WORKER: Final = 64 << 20  # an interpreter with something in it


def needed(facts: PackageFacts) -> list[str]:
    """Names of the variables that somebody must fill in. Raises ValueError for what cannot be a name."""
    names = {*facts.env_names, *facts.secret_names}
    if not all(_NAME.fullmatch(name) for name in names):
        raise ValueError("the name of a variable is not [A-Za-z_][A-Za-z0-9_]*")
    if facts.model is not None and facts.model.base_url and not public_base_url(facts.model):
        names |= {name for name, value in _of_model(facts.model).items() if value == facts.model.base_url}
    return sorted(names)


def defaults(facts: PackageFacts) -> dict[str, str]:
    """What the model setting tells the agent, as in the test: a variable that the test set itself wins."""
    model = facts.model
    if model is None:
        return {}
    mine = set(needed(facts))
    return {name: value for name, value in _of_model(model).items() if name not in mine}


def _of_model(model: ModelFacts) -> dict[str, str]:
    return model_environment(
        provider=model.provider, model_id=model.model_id, base_url=model.base_url, region=model.region
    )


def at_address(model: ModelFacts, address: str) -> dict[str, str]:
    """The variables that say where the model's API is, for the case that it is at `address`."""
    return dict.fromkeys(("MODEL_BASE_URL", *provider_of(model.provider).url), address)


def public_base_url(model: ModelFacts) -> str:
    """The address of the model's API; empty where a key may be in it."""
    parts = urlsplit(model.base_url)
    return "" if "@" in parts.netloc or parts.query or parts.fragment else model.base_url


def is_local(url: str) -> bool:
    """Whether the address means the machine that one asks from, which in a container is the container."""
    host = urlsplit(url).hostname or ""
    return host in _LOCAL or host.startswith("127.")


def workers(facts: PackageFacts) -> int:
    """How many of it fit into the memory that the test had, with a quarter to spare."""
    peak = facts.outcome.peak_memory_bytes
    if not peak:
        return 1
    return int(max(1, min(MOST_WORKERS, (facts.memory_mib << 20) * 3 // 4 // max(peak, _SMALLEST_WORKER))))


def agent_file(facts: PackageFacts) -> bytes:
    """agent.json, which server.py reads."""
    return json_file(
        {
            "entrypoint": facts.entrypoint,
            "agent_path": facts.agent_path,
            "port": facts.options.port,
            "workers": workers(facts),
            "timeout_s": facts.timeout_s,
            "environment": defaults(facts),
            "needed": needed(facts),
        }
    )


def env_example(facts: PackageFacts) -> bytes:
    """.env.example, for `docker run --env-file` and docker-compose.yml."""
    lines = [
        "# The environment of the agent. Copy this file to .env and fill it in; .env stays out of the image.",
        "# One NAME=value a line, without quotes.",
    ]
    if names := needed(facts):
        lines += ["", "# The test had these. Their values stayed behind, because some may be secret."]
        lines += [f"{name}=" for name in names]
    if values := defaults(facts):
        lines += [
            "",
            "# From the model setting of the test, as in agent.json; take the # away to change one.",
        ]
        lines += [f"#{name}={value if _SAFE_VALUE.fullmatch(value) else ''}" for name, value in sorted(values.items())]
    lines += ["", "# Of the server (README.md).", "#API_TOKEN=", "#WORKERS=", "#TIMEOUT_S="]
    return ("\n".join(lines) + "\n").encode("ascii")
