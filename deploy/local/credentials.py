"""Secrets of local mode: made once, kept in the data folder for its owner only, the same at every start.

Loopback is not a wall: an agent with network access reaches it, so the servers behind it ask for a password.
Must not know who uses which secret.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path

USER, LISTENER = "assay", "listener"
FILE, API_KEY_FILE, MONGO_KEY_FILE = "credentials.json", "api-key", "mongo.key"


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    nats_password: str
    """Of the user that may do everything there; those of the services are made of it."""
    nats_listener_password: str
    """For those who follow events from outside: hears everything, publishes nothing."""
    mongo_password: str
    mongo_key: str
    """What members of the replica set know each other by (mongod wants one as soon as it asks for logins)."""
    aws_access_key: str
    """For the emulator of AWS, with `aws_secret_key`."""
    aws_secret_key: str
    api_key: str
    """The development key that the CLI takes when it is given none."""
    internal_secret: str
    """Signs what services hand each other through a client, such as page tokens and result URLs."""
    console_secret: str
    """Seals sessions of the console, so that they outlive a restart."""

    def nats_password_of(self, service: str) -> str:
        """The password of one service's own user."""
        return hmac.new(self.nats_password.encode(), f"nats {service}".encode(), "sha256").hexdigest()


def load_or_create(folder: Path) -> Credentials:
    """Reads `credentials.json`, makes what is missing in it, and writes the two files that are read on their own."""
    file = folder / FILE
    known = _read(file)
    missing = {field.name: _new(field.name) for field in fields(Credentials) if not known.get(field.name)}
    credentials = Credentials(**{name: (known | missing)[name] for name in (f.name for f in fields(Credentials))})
    if missing:
        write_private(file, json.dumps(asdict(credentials), indent=2) + "\n")
    write_private(folder / API_KEY_FILE, credentials.api_key + "\n")
    write_private(folder / MONGO_KEY_FILE, credentials.mongo_key + "\n")
    return credentials


def write_private(path: Path, text: str) -> None:
    """Replaces the file as a whole; nobody but its owner can read it, not even for a moment."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
    temporary.replace(path)


def _new(name: str) -> str:
    if name == "mongo_key":
        return base64.b64encode(secrets.token_bytes(96)).decode()  # MongoDB: 6 to 1024 characters of base64
    if name == "aws_access_key":
        return f"ASSAY{secrets.token_hex(8).upper()}"
    if name == "api_key":
        return f"assay_dev_{secrets.token_urlsafe(32)}"
    return secrets.token_urlsafe(32)


def _read(file: Path) -> dict[str, str]:
    try:
        read = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        # To make new ones silently would lock the owner out of the data that the old ones open.
        raise SystemExit(
            f"{file} is damaged ({error}). Repair it, or remove the whole folder to start anew."
        ) from error
    return {str(k): v for k, v in read.items() if isinstance(v, str)} if isinstance(read, dict) else {}
