"""The connection to MongoDB, and how the indexes are brought about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, IndexModel
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern

from shared.advisories import MONGODB
from shared.errors import Unavailable
from shared.store.documents import Document
from shared.store.indexes import INDEXES, RETIRED
from shared.telemetry.holes import tell_holes

log = structlog.get_logger()
Database = AsyncDatabase[Document]

StoreError = PyMongoError
"""What a store operation raises where the database refuses or does not answer; the edges translate it."""

SERVER_SELECTION_MS: Final = 5_000
_NO_SUCH_INDEX: Final = 27  # MongoDB's IndexNotFound


@asynccontextmanager
async def connected(
    url: str, database: str, *, service: str, patience_ms: int = SERVER_SELECTION_MS
) -> AsyncIterator[Database]:
    """The database, with majority writes. Raises Unavailable where no primary answers in time."""
    client: AsyncMongoClient[Document] = AsyncMongoClient(
        url,
        appname=f"assay-{service}",
        tz_aware=True,
        w="majority",
        retryWrites=True,
        serverSelectionTimeoutMS=patience_ms,
        maxPoolSize=32,
    )
    try:
        try:
            await client.admin.command("ping")
        except PyMongoError as error:
            raise Unavailable(f"MongoDB does not answer: {error}") from error
        await _tell_holes(client)
        yield client.get_database(
            database,
            codec_options=CodecOptions(tz_aware=True),
            write_concern=WriteConcern(w="majority"),
        )
    finally:
        await client.close()


async def _tell_holes(client: AsyncMongoClient[Document]) -> None:
    """What the server itself says decides which holes are closed, not what its operator meant."""
    try:
        version = (await client.admin.command("buildInfo"))["version"]
        hello = await client.admin.command("hello", compression=["zlib"])
    except PyMongoError as error:
        log.info("mongodb_version_unknown", error=str(error))
        return
    compressed = {"CVE-2025-14847"} if "zlib" not in hello.get("compression", ()) else set[str]()
    alone = {"CVE-2026-118383"} if len(hello.get("hosts", ())) == 1 else set[str]()  # it has nobody to catch up with
    tell_holes(MONGODB, version, compressed | alone)


def quick(database: Database, collection: str) -> AsyncCollection[Document]:
    """A collection whose writes do not wait for the journal and the other members.

    For what a sweep puts right, and for what a later majority write covers: the oplog keeps its order, so whatever was
    written before a majority write on the same primary is as safe as that one."""
    return database[collection].with_options(write_concern=WriteConcern(w=1))


async def provision(database: Database) -> None:
    """Creates the indexes that are missing and drops those that no query takes any more. Harmless when repeated.

    Raises Unavailable where an index of the same name has another shape: a migration has to decide then."""
    by_collection: dict[str, list[IndexModel]] = {}
    for index in INDEXES:
        by_collection.setdefault(index.collection, []).append(index.model)
    for collection, models in by_collection.items():
        try:
            await database[collection].create_indexes(models)
        except OperationFailure as error:
            reason = (error.details or {}).get("errmsg", str(error))
            raise Unavailable(
                f"the data is of another version of Assay: the indexes of {collection} cannot be made "
                f"({reason[:200]}). "
                "Migrate it, or begin with an empty database (local mode: remove its data folder)."
            ) from error
    for collection, name in RETIRED:
        try:
            await database[collection].drop_index(name)
        except OperationFailure as error:
            if error.code != _NO_SUCH_INDEX:
                raise


async def check(database: Database) -> None:
    """Raises where the database does not answer."""
    await database.command("ping")
