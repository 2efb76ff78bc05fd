"""Where the programs that local mode starts are found: PATH first, then what `make setup` put into `.tools`.

Must not start or install anything; `deploy.setup` installs.
"""

import shutil
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
TOOLS = PROJECT / ".tools"
MONGOD = TOOLS / "mongod" / "fiftyone" / "db" / "bin" / "mongod"  # as the wheel lays it out
EMULATOR = TOOLS / "emulator" / "bin" / "ministack"


class ToolMissing(Exception):
    """A program that local mode starts is not installed."""

    def __init__(self, name: str, remedy: str) -> None:
        super().__init__(f"{name} is not installed. {remedy}")
        self.name = name


def nats_server() -> str:
    # Debian puts it into /usr/sbin, which is not on every user's PATH.
    found = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        raise ToolMissing("nats-server", "Run `make setup`, or set ASSAY_NATS_URL to a server with JetStream.")
    return found


def mongod() -> str:
    found = shutil.which("mongod")
    if found is not None:
        return found
    if MONGOD.exists():
        return str(MONGOD)
    raise ToolMissing("mongod", "Run `make setup`, or set ASSAY_MONGO_URL to a replica set of MongoDB 6.0 or later.")


def emulator() -> str:
    if EMULATOR.exists():
        return str(EMULATOR)
    raise ToolMissing(
        "ministack", "Run `make setup`, or set ASSAY_AWS_BUCKET, and ASSAY_AWS_ENDPOINT_URL for an S3 of yours."
    )
