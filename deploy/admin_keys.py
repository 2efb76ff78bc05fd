"""`assay-admin encryption-key` and `rotate-keys`: the keys that encrypt queries and environments in the store."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shared.store.rotation import Rotated


def encryption_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is called: letters, digits, _ . and -.")],
) -> None:
    """Make a key for ASSAY_ENCRYPTION_KEYS and print it, NAME:KEY. It is kept nowhere."""
    from shared.domain.masterkeys import SIZE, master_keys

    made = f"{name}:{base64.b64encode(os.urandom(SIZE)).decode()}"
    try:
        master_keys(made)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="NAME") from None
    print(made)
    print(
        "Put it first into ASSAY_ENCRYPTION_KEYS of gateway, orchestrator and packager, before older ones.",
        file=sys.stderr,
    )


def rotate_keys(
    *,
    seal_old: Annotated[
        bool, typer.Option("--seal-old", help="Also encrypt what was stored before there was a key; reads all tests.")
    ] = False,
) -> None:
    """Wrap with the first key of ASSAY_ENCRYPTION_KEYS (or the one of KMS) what older keys have wrapped.

    Run it when all services have the new key, and take the old one away when it says that nothing is left. Safe to
    break off and to repeat; services go on meanwhile."""
    from shared.errors import AssayError

    (done, left, why), sealed = asyncio.run(_rotate(seal_old=seal_old))
    print(f"{_tests(done)} wrapped with the first key")
    if seal_old:
        print(f"{_tests(sealed)} encrypted that {'was' if sealed == 1 else 'were'} not")
    if left:
        lines = [f"{_tests(count)} left with {key!r}: {why[key]}" for key, count in left.items()]
        raise AssayError("; ".join(lines))


def _tests(count: int) -> str:
    return "1 test is" if count == 1 else f"{count:,} tests are"


async def _rotate(*, seal_old: bool) -> tuple[Rotated, int]:
    from functools import partial

    from shared.aws.kms import KmsKeys
    from shared.aws.opening import Opening
    from shared.aws.settings import AwsSettings
    from shared.errors import AssayError
    from shared.settings import CommonSettings
    from shared.store import rotation
    from shared.store.connect import connected, provision
    from shared.store.sealing import Seals
    from shared.store.settings import EncryptionSettings

    settings = CommonSettings()
    opening = Opening(AwsSettings())
    seals = Seals.of(EncryptionSettings(), partial(KmsKeys, opening))
    if not seals.seals:
        raise AssayError("there is no key: set ASSAY_ENCRYPTION_KEYS or ASSAY_ENCRYPTION_KMS_KEY_ID")
    try:
        url = settings.mongo_url.get_secret_value()
        async with connected(url, settings.mongo_database, service="admin") as database:
            await provision(database)
            rotated = await rotation.rotate(database, seals, told=_say)
            return rotated, await rotation.seal_old(database, seals, told=_say) if seal_old else 0
    finally:
        opening.close()


def _say(done: int) -> None:
    print(f"{done:,} ...", file=sys.stderr)
