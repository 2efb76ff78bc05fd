"""Shows what the store knows about one test beyond the API: who looks after it, its slot, its place, its unsent events.

Needs ASSAY_MONGO_URL. Reads only; leaves out code, query, environment, answer and nonce.
"""

from __future__ import annotations

import asyncio
import sys

from shared.settings import CommonSettings
from shared.store.connect import connected

FIELDS = ("state", "attempt", "times", "lease", "slot", "cancel", "logs", "failure", "outbox.subject", "outbox.at")
TASK = ("task.runtime", "task.handle", "task.log_source", "task.exit_code", "task.stop_reason", "task.abandoned")


async def main(test_id: str) -> None:
    settings = CommonSettings()
    async with connected(settings.mongo_url.get_secret_value(), settings.mongo_database, service="runbook") as database:
        test = await database["executions"].find_one({"_id": test_id}, dict.fromkeys((*FIELDS, *TASK), 1))
        slot = await database["slots"].find_one({"test_id": test_id})
        entry = await database["queue"].find_one({"_id": test_id})
    show("test", test)
    show("slot", slot)
    show("queue", entry)


def show(name: str, value: object, indent: str = "") -> None:
    if isinstance(value, dict) and value:
        print(f"{indent}{name}")
        for key, inner in value.items():
            show(key, inner, indent + "  ")
    else:
        print(f"{indent}{name:<14} {'-' if value in (None, {}, []) else value}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
