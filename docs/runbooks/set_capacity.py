"""Sets the number of slots: set_capacity.py NUMBER

Needs ASSAY_MONGO_URL. Takes effect within five seconds. Lowering it lets running tests end.
"""

from __future__ import annotations

import asyncio
import sys

from shared.settings import CommonSettings
from shared.store.connect import connected
from shared.store.slots import Slots


async def main(capacity: int) -> None:
    settings = CommonSettings()
    async with connected(settings.mongo_url.get_secret_value(), settings.mongo_database, service="runbook") as database:
        slots = Slots(database)
        await slots.resize(capacity)
        now = await slots.occupancy()
        print(f"{now.running} of {now.capacity} slots are in use")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
