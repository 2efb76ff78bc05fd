"""Prints where the servers of local mode are, as lines for a shell.

    eval "$(.venv/bin/python docs/runbooks/local_env.py)"

With these variables the other scripts of this folder, and `assay-admin`, look at local mode.
"""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

from deploy.local.credentials import USER
from deploy.local.mongo import MongoServer
from deploy.local.nats import NatsServer
from deploy.nats_accounts import Login

FOLDER = Path(os.environ.get("ASSAY_DATA", ".assay"))


def main() -> None:
    ports = json.loads((FOLDER / "ports.json").read_text("utf-8"))
    known = json.loads((FOLDER / "credentials.json").read_text("utf-8"))
    nats = NatsServer(FOLDER, ports["nats"], (Login(USER, known["nats_password"]),))
    mongo = MongoServer(FOLDER, ports["mongo"], USER, known["mongo_password"])
    for name, value in (("ASSAY_NATS_URL", nats.url), ("ASSAY_MONGO_URL", mongo.url)):
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
