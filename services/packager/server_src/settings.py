"""Settings of the server."""

from __future__ import annotations

import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))


class Settings:
    """From the environment, else from agent.json."""

    def __init__(self) -> None:
        with open(os.path.join(HERE, "agent.json"), encoding="utf-8") as file:
            given = json.load(file)
        self.entrypoint: str = given["entrypoint"]
        self.agent_path: str = given["agent_path"]
        """Where the agent's file lies in the folder `project`; empty where agent.py is all there is."""
        self.environment: dict[str, str] = given["environment"]
        self.needed: list[str] = given["needed"]
        self.port = int(os.environ.get("PORT") or given["port"])
        self.host = os.environ.get("HOST") or "0.0.0.0"
        self.workers = int(os.environ.get("WORKERS") or given["workers"])
        self.timeout_s = float(os.environ.get("TIMEOUT_S") or given["timeout_s"])
        self.keep_s = max(60, self.timeout_s + 10) + 15  # an idle connection; longer than a load balancer does
        self.wait_s = float(os.environ.get("WAIT_S") or 10)  # for a free worker, before "busy"
        self.grace_s = float(os.environ.get("STOP_GRACE_S") or 25)  # for running queries, after SIGTERM
        self.read_s = float(os.environ.get("READ_TIMEOUT_S") or 15)  # for a request's head, and then for its body
        self.query_bytes = int(os.environ.get("MAX_QUERY_BYTES") or 1 << 20)
        self.response_bytes = int(os.environ.get("MAX_RESPONSE_BYTES") or 1 << 20)
        self.token = os.environ.get("API_TOKEN") or ""
