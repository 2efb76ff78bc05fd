"""`assay-admin encryption-key` and `rotate-keys`, as an operator runs them."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from shared.domain.masterkeys import master_keys
from shared.events.tests import TestSubmitted
from shared.store.connect import connected, provision
from shared.store.datakeys import LocalKeys
from shared.store.executions import Executions
from shared.store.sealing import Seals
from tests.support.samples import ALICE, NOW, execution


async def admin(*arguments: str, **variables: str) -> tuple[int, str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.admin", *arguments),
        env={**kept, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, told = await command.communicate()
    return command.returncode or 0, out.decode(), told.decode()


async def test_keys_are_made_and_changed(mongo_url: str, mongo_database: str) -> None:
    code, old, told = await admin("encryption-key", "old")
    assert (code, "ASSAY_ENCRYPTION_KEYS" in told) == (0, True)
    _, new, _ = await admin("encryption-key", "new")
    old, new = old.strip(), new.strip()
    where = {"ASSAY_MONGO_URL": mongo_url, "ASSAY_MONGO_DATABASE": mongo_database}
    async with connected(mongo_url, mongo_database, service="test") as database:
        await provision(database)
        tests = Executions(database, lambda _: None, Seals(LocalKeys(master_keys(old))))
        test = execution()
        await tests.submit(test, TestSubmitted(test_id=test.id, user_id=ALICE, at=NOW, priority=4))

        code, out, told = await admin("rotate-keys", **where, ASSAY_ENCRYPTION_KEYS=new)
        assert code == 1
        assert "1 test is left with 'old': there is no key 'old' here" in told
        code, out, _ = await admin("rotate-keys", **where, ASSAY_ENCRYPTION_KEYS=f"{new},{old}")
        assert (code, out) == (0, "1 test is wrapped with the first key\n")
        await database["executions"].delete_many({"_id": {"$ne": test.id}})
        plain = execution()
        await Executions(database, lambda _: None).submit(
            plain, TestSubmitted(test_id=plain.id, user_id=ALICE, at=NOW, priority=4)
        )
        code, out, _ = await admin("rotate-keys", "--seal-old", **where, ASSAY_ENCRYPTION_KEYS=new)
        assert (code, out.splitlines()) == (
            0,
            ["0 tests are wrapped with the first key", "1 test is encrypted that was not"],
        )
        found = await Executions(database, lambda _: None, Seals(LocalKeys(master_keys(new)))).get(test.id)
    assert found is not None
    assert found.input.query == test.input.query


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (("encryption-key", "a name"), {}, "of letters, digits"),
        (("rotate-keys",), {}, "there is no key: set ASSAY_ENCRYPTION_KEYS"),
        (("rotate-keys",), {"ASSAY_ENCRYPTION_KEYS": "x:SECRET"}, "ASSAY_ENCRYPTION_KEYS: "),
    ],
)
async def test_a_mistake_says_what_to_write(arguments: tuple[str, ...], variables: dict[str, str], said: str) -> None:
    code, _, told = await admin(*arguments, **variables)
    assert code != 0
    assert said in told
    assert "SECRET" not in told
    assert "Traceback" not in told
