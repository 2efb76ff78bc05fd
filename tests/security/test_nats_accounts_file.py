"""`assay-admin nats` writes users with the least rights: hashed, private, the same when it is run again."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from typer.testing import CliRunner, Result

from deploy.admin_nats import app
from deploy.local.nats import NatsServer
from shared.bus.rights import SERVICES
from shared.bus.streams import provision
from tests.support.nats_servers import NatsProgram, lets_in, nats_programs
from tests.support.servers import RunningServer, free_port
from tests.support.until import until


class Included(NatsServer):
    """A server of the operator's own, which includes the file."""

    def command(self) -> list[str]:
        config = self.data.parent / "nats-server.conf"
        config.write_text(
            f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{self.data}" }}\ninclude assay-accounts.conf\n'
        )
        return [str(self.program), "--config", str(config)]


class Admin:
    """The command, in a folder of its own."""

    def __init__(self, folder: Path, port: int = 4222) -> None:
        self.folder = folder
        self.file = folder / "assay-accounts.conf"
        self._server = f"127.0.0.1:{port}"

    def __call__(self, *words: str) -> Result:
        server = ["--server", self._server] if words[0] in {"init", "add-listener", "renew"} else []
        return CliRunner().invoke(app, [*words, "--file", str(self.file), *server])

    def url(self, user: str) -> str:
        return (self.folder / f"{user}.env").read_text().strip().removeprefix("ASSAY_NATS_URL=")


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    found = Admin(tmp_path)
    assert found("init").exit_code == 0
    return found


def test_secrets_are_hashed_in_the_file_and_told_to_their_owner_only(admin: Admin) -> None:
    told = admin("add-listener", "alice").stdout
    text = admin.file.read_text()
    for user in (*SERVICES, "admin", "alice"):
        password = re.fullmatch(rf"nats://{user}:([\w-]{{43}})@127.0.0.1:4222", admin.url(user))
        assert password
        assert password[1] not in text
    assert admin.url("alice") in told
    for file in admin.folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_a_second_run_changes_nothing_and_tells_no_secret(admin: Admin) -> None:
    admin("add-listener", "alice")
    admin("add-listener", "board", "--everything")
    before = admin.file.read_text()
    for words in (("init",), ("add-listener", "alice"), ("add-listener", "board", "--everything"), ("list",)):
        again = admin(*words)
        assert again.exit_code == 0
        assert "://" not in again.output
    assert admin.file.read_text() == before


def test_rights_of_an_older_version_are_brought_up_to_date_and_passwords_stay(admin: Admin) -> None:
    now = admin.file.read_text()
    older = json.loads(now)
    gateway, *_, last = older["accounts"]["ASSAY"]["users"]
    gateway["permissions"] = {"publish": {"allow": [">"]}, "subscribe": {"allow": [">"]}}
    older["accounts"]["ASSAY"]["users"].remove(last)
    admin.file.write_text(json.dumps(older))
    assert admin("init").exit_code == 0
    renewed = json.loads(admin.file.read_text())["accounts"]["ASSAY"]["users"]
    assert renewed[:-1] == json.loads(now)["accounts"]["ASSAY"]["users"][:-1]
    assert renewed[-1]["password"] != last["password"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("add-listener", "a.b"), "letters, digits"),
        (("add-listener", ">"), "letters, digits"),
        (("add-listener", "x", "--of", "*"), "letters, digits"),
        (("add-listener", "x", "--of", "bob", "--everything"), "not both"),
        (("add-listener", "gateway"), "name of a service"),
        (("add-listener", "admin"), "of assay-admin"),
        (("add-listener", "alice", "--everything"), "for the events of alice: remove it first"),
        (("remove-listener", "bob"), "no listener bob"),
        (("renew", "bob"), "no bob"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(admin: Admin, words: tuple[str, ...], says: str) -> None:
    admin("add-listener", "alice")
    before = admin.file.read_text()
    refused = admin(*words)
    assert refused.exit_code != 0
    assert says in " ".join(re.sub(r"[│╭╮╰╯─\n]", " ", f"{refused.output} {refused.exception}").split())
    assert admin.file.read_text() == before


@pytest.mark.parametrize("name", ["gateway", "admin"])
def test_a_listener_has_no_name_of_a_service_that_is_made_later(tmp_path: Path, name: str) -> None:
    """nats-server refuses a configuration with two users of one name, and so everybody."""
    admin = Admin(tmp_path)
    assert admin("add-listener", name).exit_code != 0
    assert admin("init").exit_code == 0
    users = [
        user["user"] for account in json.loads(admin.file.read_text())["accounts"].values() for user in account["users"]
    ]
    assert len(users) == len(set(users))


@pytest.mark.parametrize(
    "text", ["listen: 4222\n", "{}", '{"accounts": {}}', '{"accounts": {"ASSAY": {"users": [1]}}}']
)
def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path, text: str) -> None:
    admin = Admin(tmp_path)
    admin.file.write_text(text)
    refused = admin("init")
    assert refused.exit_code != 0
    assert "--file" in str(refused.exception)
    assert admin.file.read_text() == text


@pytest.fixture(params=nats_programs(), ids=lambda program: program.name)
def program(request: pytest.FixtureRequest) -> NatsProgram:
    found: NatsProgram = request.param
    return found


@pytest.fixture
def running(program: NatsProgram, tmp_path: Path) -> Iterator[tuple[Admin, RunningServer]]:
    port = free_port()
    admin = Admin(tmp_path, port)
    admin("init")
    server = RunningServer(Included(tmp_path / "data", port, program=str(program.path)), tmp_path / "log")
    server.start()
    try:
        yield admin, server
    finally:
        server.kill()


async def test_a_listener_is_let_in_and_shut_out_by_a_reload(running: tuple[Admin, RunningServer]) -> None:
    admin, server = running
    own = await nats.connect(admin.url("admin"))
    try:
        await provision(own.jetstream(), replicas=1)
        admin("add-listener", "alice")
        os.kill(server.pid, signal.SIGHUP)
        await until(lambda: _let_in(admin.url("alice")))
        alice = await nats.connect(admin.url("alice"))
        try:
            heard = await alice.subscribe(">")
            await alice.flush()
            await own.publish("test.running.bob.tst_1", b"")
            await own.publish("test.running.alice.tst_1", b"")
            assert (await heard.next_msg(timeout=5)).subject == "test.running.alice.tst_1"
        finally:
            await alice.close()
        old = admin.url("alice")
        admin("renew", "alice")
        os.kill(server.pid, signal.SIGHUP)
        await until(lambda: _let_in(admin.url("alice")))
        assert await _shut_out(old)
        new = admin.url("alice")
        admin("remove-listener", "alice")
        os.kill(server.pid, signal.SIGHUP)
        await until(lambda: _shut_out(new))
        await until(lambda: _messages(own))
    finally:
        await own.close()


async def _messages(client: Client) -> bool:
    """Whether the streams are there; while the server reads its configuration again they are not for a moment."""
    with contextlib.suppress(nats.js.errors.ServiceUnavailableError):
        return (await client.jetstream().stream_info("TESTS")).state.messages == 2
    return False


async def _let_in(url: str) -> bool:
    user, _, password = url.removeprefix("nats://").partition("@")[0].partition(":")
    return await lets_in(int(url.rpartition(":")[2]), user, password)


async def _shut_out(url: str) -> bool:
    return not await _let_in(url)
