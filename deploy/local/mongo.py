"""A one-node mongod of our own: its command line, its first-time set-up (replica set, user), and when it is ready.

The only place outside `shared.store` that speaks to MongoDB, because it prepares a server before there is a store.
Must not know any collection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from deploy.local import tools

if TYPE_CHECKING:
    from pymongo import AsyncMongoClient

    Client = AsyncMongoClient[dict[str, Any]]

LOOPBACK = "127.0.0.1"
OLDEST = (6, 0)
NOT_COMPRESSING = ("--networkMessageCompressors", "disabled")
CACHE_GB = "0.25"  # the smallest that mongod accepts
UNAUTHORIZED, AUTHENTICATION_FAILED, ALREADY_INITIALIZED, NOT_YET_INITIALIZED = 13, 18, 23, 94  # MongoDB's error codes


class MongoUnusable(Exception):
    """The server answers, but it cannot be used as our store."""


def errors_in(log: Sequence[str]) -> list[str]:
    """The errors of mongod's log, which is one JSON object a line, in words."""
    found = []
    for line in log:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("s") in {"E", "F"}:
            found.append(" ".join(filter(None, (entry.get("msg"), str(entry.get("attr", {}).get("error", ""))))))
    return found


@dataclass(frozen=True, slots=True)
class MongoServer:
    data: Path
    port: int
    user: str | None = None
    password: str | None = None
    key_file: Path | None = None
    replica_set: str = "assay"
    history_s: int | None = None
    """How long the server keeps what was dropped or overwritten, in seconds; None: its own 300."""

    @property
    def url(self) -> str:
        login, options = "", f"replicaSet={self.replica_set}"
        if self.user is not None:
            login = f"{quote(self.user, safe='')}:{quote(self.password or '', safe='')}@"
            options += "&authSource=admin"
        return f"mongodb://{login}{LOOPBACK}:{self.port}/?{options}"

    def command(self) -> list[str]:
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = [tools.mongod(), "--dbpath", str(self.data), "--port", str(self.port), "--bind_ip", LOOPBACK]
        command += ["--replSet", self.replica_set, "--wiredTigerCacheSizeGB", CACHE_GB, "--oplogSize", "128"]
        # The pinned 6.0.5 answers a compressed message that lies about its size with heap, before any login. Nothing of
        # ours compresses, so no version needs it (tests/security/test_servers_memory.py).
        command += [*NOT_COMPRESSING]
        command += ["--nounixsocket", "--quiet", "--setParameter", "diagnosticDataCollectionEnabled=false"]
        # There is no other member to hand over to, so a stop does not wait for one.
        command += ["--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0"]
        if self.history_s is not None:
            command += ["--setParameter", f"minSnapshotHistoryWindowInSeconds={self.history_s}"]
        if self.key_file is not None:
            command += ["--auth", "--keyFile", str(self.key_file)]
        return command

    async def ready(self) -> None:
        """Returns when the server is primary and lets our user in; sets both up if this is the first start.

        Raises MongoUnusable if the data belongs to another password, or the server is too old.
        """
        await self._listening()
        # Takes 0.3 s to import: long enough to do it while mongod starts and not before.
        from pymongo import AsyncMongoClient

        address = f"mongodb://{LOOPBACK}:{self.port}/?directConnection=true"
        bare: Client = AsyncMongoClient(address)
        known: Client = AsyncMongoClient(address, username=self.user, password=self.password)
        async with bare, known:
            version = (await bare.admin.command("buildInfo"))["versionArray"][:2]
            if tuple(version) < OLDEST:
                raise MongoUnusable(f"MongoDB {version[0]}.{version[1]} is too old: 6.0 or later is needed.")
            await self._primary(bare, known)
            if self.user is not None:
                await self._let_in(bare, known)

    async def _listening(self) -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, self.port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return

    async def _primary(self, bare: Client, known: Client) -> None:
        from pymongo.errors import ConnectionFailure

        while True:
            # A changed set-up closes connections that were open before it.
            with contextlib.suppress(ConnectionFailure):
                hello = await bare.admin.command("hello")
                if hello.get("isWritablePrimary"):
                    return
                if not hello.get("setName"):
                    await self._join(bare, known)
            await asyncio.sleep(0.005)

    async def _join(self, bare: Client, known: Client) -> None:
        """Makes this server the one member of its replica set: at the first start, or at a start on another port."""
        from pymongo.errors import OperationFailure

        host = f"{LOOPBACK}:{self.port}"
        try:
            # Allowed without a login from loopback as long as there is no user ("localhost exception").
            members = [{"_id": 0, "host": host}]
            await bare.admin.command("replSetInitiate", {"_id": self.replica_set, "members": members})
        except OperationFailure as refused:
            if refused.code not in {UNAUTHORIZED, ALREADY_INITIALIZED}:
                raise
        else:
            return
        try:
            config = (await known.admin.command("replSetGetConfig"))["config"]
        except OperationFailure as refused:
            if refused.code == NOT_YET_INITIALIZED:
                return  # still reading its own configuration: look again
            if refused.code == AUTHENTICATION_FAILED:
                raise self._another_password() from refused
            raise
        if config["members"][0]["host"] != host:
            config["members"][0]["host"] = host
            await known.admin.command("replSetReconfig", config, force=True)

    async def _let_in(self, bare: Client, known: Client) -> None:
        from pymongo.errors import OperationFailure

        try:
            await known.admin.command("ping")
        except OperationFailure as refused:
            if refused.code != AUTHENTICATION_FAILED:
                raise
        else:
            return
        try:
            await bare.admin.command("createUser", self.user, pwd=self.password, roles=["root"])
        except OperationFailure as refused:
            if refused.code == UNAUTHORIZED:  # there is a user already, so the exception for loopback is over
                raise self._another_password() from refused
            raise

    def _another_password(self) -> MongoUnusable:
        return MongoUnusable(
            f"The data in {self.data} belongs to another password than the one in the credentials file. "
            "Put that file back, or remove the data folder to start anew."
        )
