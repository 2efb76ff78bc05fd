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
from deploy.nats_accounts import ACCOUNT, Listener, Login, accounts

MAX_PAYLOAD = 8 * 1024 * 1024  # the default of 1 MiB is too near to a batch of long log lines
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class NatsServer:
    data: Path
    port: int
    logins: tuple[Login, ...] = ()
    """Who may come in; everybody if empty. `url` is for the first."""
    listeners: tuple[Listener, ...] = ()
    program: str | None = None
    """Which nats-server; None: the one that local mode finds."""

    @property
    def url(self) -> str:
        return self.url_of(self.logins[0] if self.logins else None)

    def url_of(self, login: Login | Listener | None) -> str:
        who = f"{quote(login.user, safe='')}:{quote(login.password, safe='')}@" if login else ""
        return f"nats://{who}{LOOPBACK}:{self.port}"

    def command(self) -> list[str]:
        """Writes the configuration (mode 0600, it holds the password) and returns the command line."""
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._move_in()
        config = self.data / "nats-server.json"
        descriptor = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(self._config(), file, indent=2)  # the server's own format is a superset of JSON
        return [self.program or tools.nats_server(), "--config", str(config)]

    def _config(self) -> dict[str, object]:
        config: dict[str, object] = {
            "server_name": "assay-local",
            "listen": f"{LOOPBACK}:{self.port}",
            "max_payload": MAX_PAYLOAD,
            "jetstream": {"store_dir": str(self.data)},
        }
        if self.logins:
            config |= accounts(self.logins, self.listeners)
        return config

    def _move_in(self) -> None:
        """Streams of versions before there were accounts lie in the server's own; here they become ours."""
        before, now = (self.data / "jetstream" / name for name in ("$G", ACCOUNT))
        if self.logins and before.is_dir() and not now.exists():
            before.rename(now)

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
