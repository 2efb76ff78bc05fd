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


# What somebody who only listens may ask JetStream: to read streams through consumers of their own.
READING = (
    "$JS.API.INFO",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.INFO.*",
    "$JS.API.CONSUMER.CREATE.>",
    "$JS.API.CONSUMER.INFO.>",
    "$JS.API.CONSUMER.MSG.NEXT.>",
    "$JS.ACK.>",
    "$JS.FC.>",
)


@dataclass(frozen=True, slots=True)
class Login:
    """A user of the server. One that only listens cannot publish an event, so what others hear is from us."""

    user: str
    password: str
    listens_only: bool = False

    def as_config(self) -> dict[str, object]:
        login: dict[str, object] = {"user": self.user, "password": self.password}
        if self.listens_only:
            login["permissions"] = {"publish": {"allow": list(READING)}, "subscribe": {"allow": [">"]}}
        return login


@dataclass(frozen=True, slots=True)
class NatsServer:
    data: Path
    port: int
    logins: tuple[Login, ...] = ()
    """Who may come in; everybody if empty. `url` is for the first."""

    @property
    def url(self) -> str:
        return self.url_of(self.logins[0] if self.logins else None)

    def url_of(self, login: Login | None) -> str:
        who = f"{quote(login.user, safe='')}:{quote(login.password, safe='')}@" if login else ""
        return f"nats://{who}{LOOPBACK}:{self.port}"

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
        if self.logins:
            config["authorization"] = {"users": [login.as_config() for login in self.logins]}
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
