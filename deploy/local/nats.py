"""A nats-server of our own: its configuration, its command line, and when it is ready.

Must not know streams or subjects; those are `shared.bus`.
"""

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from deploy.local import tools

MAX_PAYLOAD = 8 * 1024 * 1024  # the default of 1 MiB is too near to a batch of long log lines
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class NatsServer:
    data: Path
    port: int
    user: str | None = None
    password: str | None = None

    @property
    def url(self) -> str:
        login = f"{quote(self.user, safe='')}:{quote(self.password or '', safe='')}@" if self.user else ""
        return f"nats://{login}{LOOPBACK}:{self.port}"

    def command(self) -> list[str]:
        """Writes the configuration (mode 0600, it holds the password) and returns the command line."""
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        config = self.data / "nats-server.json"
        descriptor = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(self._config(), file, indent=2)  # the server's own format is a superset of JSON
        return [tools.nats_server(), "--config", str(config)]

    def _config(self) -> dict[str, object]:
        config: dict[str, object] = {
            "server_name": "assay-local",
            "listen": f"{LOOPBACK}:{self.port}",
            "max_payload": MAX_PAYLOAD,
            "jetstream": {"store_dir": str(self.data)},
        }
        if self.user is not None:
            config["authorization"] = {"user": self.user, "password": self.password}
        return config

    async def ready(self) -> None:
        """Returns when the server greets a client, which it does only after JetStream has read its folder."""
        while True:
            try:
                reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
                try:
                    if (await reader.readline()).startswith(b"INFO "):
                        return
                finally:
                    writer.close()
            except OSError:
                pass
            await asyncio.sleep(0.01)
