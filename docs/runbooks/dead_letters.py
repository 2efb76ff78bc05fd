"""Lists dead letters, or sends one to where it was meant to go once more: dead_letters.py [--replay NUMBER]

Needs ASSAY_NATS_URL. Replaying is harmless when the fact was handled meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio

import nats
from nats.errors import TimeoutError as NothingMore

from shared.settings import CommonSettings


async def main(replay: int | None) -> None:
    client = await nats.connect(CommonSettings().nats_url.get_secret_value())
    stream = client.jetstream()
    if replay is not None:
        letter = await stream.get_msg("DEAD", replay)
        origin = (letter.headers or {})["assay-origin"]
        await stream.publish(origin, letter.data or b"")
        print(f"{replay} was sent to {origin} again")
    else:
        letters = await stream.subscribe(">", stream="DEAD", ordered_consumer=True)
        try:
            while True:
                dead = await letters.next_msg(timeout=1)
                headers = dead.headers or {}
                number, when = dead.metadata.sequence.stream, dead.metadata.timestamp
                print(f"{number}  {when:%Y-%m-%d %H:%M:%S}  {dead.subject}")
                for name in ("assay-origin", "assay-deliveries", "assay-reason"):
                    if name in headers:
                        print(f"    {name.removeprefix('assay-'):<11} {headers[name]}")
        except NothingMore:
            pass
    await client.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replay", type=int, metavar="NUMBER")
    asyncio.run(main(parser.parse_args().replay))
