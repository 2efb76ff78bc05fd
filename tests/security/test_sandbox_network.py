"""What an agent with network reaches: the internet, and of everything else what the operator has permitted."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from services.orchestrator.ports import LaunchFailed
from services.orchestrator.runtimes.egress import networks
from services.orchestrator.runtimes.egress.networks import Network
from services.orchestrator.runtimes.egress.ruleset import own_addresses
from services.orchestrator.runtimes.host import Unfit
from services.orchestrator.runtimes.options import Isolation, NetworkMode, ProcessOptions
from services.orchestrator.runtimes.process import ProcessRuntime
from shared.domain.destinations import parse_all
from shared.domain.failure import FailureCode
from tests.contract.runtime_worlds import answer, ended, spec
from tests.support.side_network import (
    LINK_LOCAL,
    OTHER_PORT,
    PORT,
    PRIVATE,
    PUBLIC,
    SideNetwork,
    side_network,
)
from tests.support.until import until

TRY = """
import socket
def attempt(host, port, prepare=None):
    with socket.socket() as connection:
        connection.settimeout(3)
        try:
            if prepare:
                prepare(connection)
            connection.connect((host, port))
            return connection.recv(100).decode() or "closed"
        except OSError as error:
            return type(error).__name__
"""


class Refused:
    """What an agent meets where it may not go: any error, and none of what is there."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and other.endswith("Error")

    __hash__ = None  # type: ignore[assignment]


Open = Callable[..., Any]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    """Opens process runtimes with these options; closes them in the end."""
    runtimes: list[ProcessRuntime] = []

    async def open_one(**options: Any) -> ProcessRuntime:
        given = {"root": tmp_path / "tasks", "isolation": Isolation.REQUIRED, **options}
        try:
            runtimes.append(await ProcessRuntime.open(ProcessOptions(**given)))
        except Unfit as unfit:
            pytest.skip(str(unfit))
        return runtimes[-1]

    yield open_one
    for runtime in runtimes:
        await runtime.aclose()


@pytest.fixture
def beside() -> Iterator[SideNetwork]:
    """A network that this machine reaches."""
    try:
        with side_network() as network:
            yield network
    except PermissionError as error:
        pytest.skip(str(error))


@contextmanager
def listening(host: str = "127.0.0.1") -> Iterator[int]:
    """A server of this machine that greets. Its port."""
    with socket.create_server((host, 0)) as server:
        server.setblocking(False)
        loop = asyncio.get_running_loop()

        def greet() -> None:
            connection, _ = server.accept()
            connection.sendall(b"of the host")
            connection.close()

        loop.add_reader(server, greet)
        try:
            yield server.getsockname()[1]
        finally:
            loop.remove_reader(server)


async def tried(runtime: ProcessRuntime, code: str, **changes: Any) -> Any:
    return await answer(
        runtime, spec(agent_code=f"{TRY}\ndef run(query):\n    return {code}\n", network=True, **changes)
    )


async def test_the_internet_is_reached_and_nothing_private(opened: Open, beside: SideNetwork) -> None:
    runtime = await opened()
    code = f"[attempt(host, {PORT}) for host in {(PUBLIC, PRIVATE, LINK_LOCAL)}]"
    assert await tried(runtime, code) == [PUBLIC, Refused(), Refused()]


async def test_no_server_of_the_host_is_reached_by_any_of_its_addresses(opened: Open, beside: SideNetwork) -> None:
    runtime = await opened()
    own = own_addresses(await asyncio.to_thread(Path("/proc/net/fib_trie").read_text))
    assert beside.host_address in own
    hosts = ["127.0.0.1", "127.1.2.3", "0.0.0.0", "localhost", "192.0.2.2", "192.0.2.3", *own]
    with listening("0.0.0.0") as port:
        assert await tried(runtime, f"[attempt(host, {port}) for host in {hosts}]") == [Refused()] * len(hosts)


async def test_tricks_with_sockets_lead_nowhere(opened: Open, beside: SideNetwork) -> None:
    runtime = await opened()
    code = f"""{{
        "device": attempt({PRIVATE!r}, {PORT}, lambda s: s.setsockopt(socket.SOL_SOCKET, 25, b"tap0")),
        "no route": attempt({PRIVATE!r}, {PORT}, lambda s: s.setsockopt(socket.SOL_SOCKET, 5, 1)),
        "source route": attempt({PUBLIC!r}, {PORT}, lambda s: s.setsockopt(
            socket.IPPROTO_IP, 4, bytes([131, 7, 4]) + socket.inet_aton({PRIVATE!r}) + bytes([1]))),
        "any address": attempt({PRIVATE!r}, {PORT}, lambda s: s.setsockopt(socket.IPPROTO_IP, 19, 1)),
        "mapped": attempt6("::ffff:{PRIVATE}", {PORT}),
        "udp": udp({PRIVATE!r}),
        "udp to all": udp("255.255.255.255"),
    }}"""
    more = f"""
def attempt6(host, port):
    with socket.socket(socket.AF_INET6) as connection:
        connection.settimeout(3)
        try:
            connection.connect((host, port))
            return connection.recv(100).decode()
        except OSError as error:
            return type(error).__name__
def udp(host):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        try:
            connection.sendto(b"?", (host, {PORT}))
            return connection.recvfrom(100)[0].decode()
        except OSError as error:
            return type(error).__name__
"""
    got = await answer(runtime, spec(agent_code=f"{TRY}{more}\ndef run(query):\n    return {code}\n", network=True))
    # A source route names the next hop first: what answers, if anything, is the public address that was asked for.
    assert got.pop("source route") in (PUBLIC, Refused())
    assert got == dict.fromkeys(got, Refused())


async def test_an_agent_has_no_rights_over_its_network(opened: Open) -> None:
    runtime = await opened()
    code = """
        import fcntl, os, socket, struct
        def errors(*attempts):
            found = []
            for one in attempts:
                try:
                    one()
                    found.append("went well")
                except OSError as error:
                    found.append(type(error).__name__)
            return found
        def route():
            # RTM_NEWROUTE: 10.0.0.0/8 by tap0; its answer has the error
            body = struct.pack("BBBBBBBBI", 2, 8, 0, 0, 254, 4, 253, 1, 0)
            body += struct.pack("HH4s", 8, 1, socket.inet_aton("10.0.0.0")) + struct.pack("HHI", 8, 4, 2)
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
                kernel.settimeout(3)
                kernel.send(struct.pack("IHHII", 16 + len(body), 24, 0x405, 1, 0) + body)
                number = struct.unpack("i", kernel.recv(4096)[16:20])[0]
            if number:
                raise OSError(-number, os.strerror(-number))
        def down():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
                fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"tap0", 0))
        def run(query):
            return errors(
                route,
                down,
                lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP).close(),
                lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3).close(),
                lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12).bind((0, 1)),
                lambda: open("/proc/sys/net/ipv4/ip_forward", "w").write("1"),
            )
    """
    errors: list[str] = await answer(runtime, spec(agent_code=code, network=True))
    # Netlink of netfilter may be opened by anybody where nothing filters it; it is the rights that are missing.
    assert set(errors[:3]) == {"PermissionError"}
    assert errors[3] in {"PermissionError", "OSError"}  # the second by the filter of system calls
    assert errors[5] in {"PermissionError", "OSError"}  # the second where /proc/sys is read-only


async def test_sockets_with_abstract_names_do_not_join_tests_or_reach_the_host(opened: Open) -> None:
    runtime = await opened()
    name = f"\0assay-test-{os.getpid()}"
    code = f"""
        import socket, time
        def run(query):
            name = {name!r}
            if query == "listen":
                server = socket.socket(socket.AF_UNIX)
                server.bind(name)
                server.listen()
                print("listening", flush=True)
                server.settimeout(3)
                try:
                    server.accept()
                    return "joined"
                except OSError:
                    return "alone"
            try:
                socket.socket(socket.AF_UNIX).connect(name)
                return "joined"
            except OSError:
                return "alone"
    """
    with socket.socket(socket.AF_UNIX) as ours:
        ours.bind(f"{name}-host")
        ours.listen()
        of_host = code.replace(repr(name), repr(f"{name}-host"))
        assert await answer(runtime, spec(agent_code=of_host, network=True)) == "alone"
    first = asyncio.ensure_future(answer(runtime, spec(agent_code=code, query="listen", network=True)))
    second = asyncio.ensure_future(answer(runtime, spec(agent_code=code, query="connect", network=True)))
    assert [*await asyncio.gather(first, second)] == ["alone", "alone"]


async def test_without_network_there_is_none(opened: Open, beside: SideNetwork) -> None:
    runtime = await opened()
    code = f"{TRY}\ndef run(query):\n    return attempt({PUBLIC!r}, {PORT})\n"
    assert await answer(runtime, spec(agent_code=code, network=False)) == Refused()


# --- what is permitted


async def test_what_the_settings_allow_is_reached_by_every_test_and_nothing_beside_it(
    opened: Open, beside: SideNetwork
) -> None:
    with listening() as port, listening() as other:
        runtime = await opened(egress_allow=parse_all(f"{PRIVATE}:{PORT}, 127.0.0.1:{port}"))
        code = (
            f"[attempt({PRIVATE!r}, {PORT}), attempt({PRIVATE!r}, {OTHER_PORT}), attempt('127.0.0.1', {port}), "
            f"attempt('127.0.0.1', {other})]"
        )
        for _ in range(2):
            assert await tried(runtime, code) == [PRIVATE, Refused(), "of the host", Refused()]


async def test_a_range_is_allowed_on_all_ports(opened: Open, beside: SideNetwork) -> None:
    runtime = await opened(egress_allow=parse_all("10.234.0.0/16"))
    code = f"[attempt({PRIVATE!r}, {PORT}), attempt({PRIVATE!r}, {OTHER_PORT}), attempt({LINK_LOCAL!r}, {PORT})]"
    assert await tried(runtime, code) == [PRIVATE, PRIVATE, Refused()]


async def test_a_range_that_is_allowed_does_not_mean_the_machine_that_lies_in_it(
    opened: Open, beside: SideNetwork
) -> None:
    own = beside.host_address
    with listening("0.0.0.0") as port:
        runtime = await opened(egress_allow=parse_all("0.0.0.0/0"))
        code = f"[attempt(host, {port}) for host in {(own, '192.0.2.2', '192.0.2.3')}] + [attempt({PRIVATE!r}, {PORT})]"
        assert await tried(runtime, code) == [Refused(), Refused(), Refused(), PRIVATE]


async def test_who_asks_for_an_address_within_a_range_does_not_get_the_machine(
    opened: Open, beside: SideNetwork
) -> None:
    own = beside.host_address
    with listening("0.0.0.0") as port, listening("0.0.0.0") as other:
        runtime = await opened(allow_hosts=parse_all(f"{own}/24, {own}:{other}"))
        code = f"[attempt({own!r}, {port}), attempt({own!r}, {other})]"
        asks = (f"{own}:{port}", f"{own}:{other}")
        assert await tried(runtime, code, allow_hosts=asks) == [Refused(), "of the host"]


async def test_a_server_of_the_machine_that_is_asked_for_by_two_names_is_reached(opened: Open) -> None:
    with listening() as port:
        runtime = await opened(allow_hosts=parse_all(f"127.0.0.1:{port}"))
        names = (f"127.0.0.1:{port}", f"localhost:{port}")
        url = f"http://127.0.0.2:{port}/v1"
        code = f"attempt('127.0.0.1', {port})"
        assert await tried(runtime, code, allow_hosts=names, model_url=url) == "of the host"


async def test_a_test_that_asks_reaches_what_it_may_ask_for_and_others_do_not(
    opened: Open, beside: SideNetwork
) -> None:
    with listening() as port:
        runtime = await opened(allow_hosts=parse_all(f"127.0.0.1:{port}, 10.0.0.0/8"))
        code = f"[attempt('127.0.0.1', {port}), attempt({PRIVATE!r}, {PORT}), attempt({PRIVATE!r}, {OTHER_PORT})]"
        asks = (f"127.0.0.1:{port}", f"{PRIVATE}:{PORT}")
        assert await tried(runtime, code, allow_hosts=asks) == ["of the host", PRIVATE, Refused()]
        assert await tried(runtime, code) == [Refused()] * 3


async def test_a_host_that_nothing_permits_is_refused_before_the_agent_runs(opened: Open) -> None:
    runtime = await opened(allow_hosts=parse_all("127.0.0.1:11434"))
    for host in ("127.0.0.1:27017", "10.0.0.1:80", "metadata.internal:80", "0.0.0.0/1"):
        with pytest.raises(LaunchFailed, match="ASSAY_PROCESS_ALLOW_HOSTS") as refusal:
            await runtime.launch(spec(network=True, allow_hosts=("127.0.0.1:11434", host)))
        assert refusal.value.code is FailureCode.HOST_NOT_ALLOWED
        assert host in str(refusal.value)


async def test_a_test_reaches_its_model_where_the_operator_permits_that_host(opened: Open) -> None:
    with listening() as port:
        runtime = await opened(allow_hosts=parse_all(f"localhost:{port}"))
        url = f"http://127.0.0.1:{port}/v1"
        assert await tried(runtime, f"attempt('127.0.0.1', {port})", model_url=url) == "of the host"
        assert await tried(runtime, f"attempt('127.0.0.1', {port})", model_url="https://models.invalid/v1") == Refused()
    with pytest.raises(LaunchFailed, match=f"127.0.0.1:{port + 1}"):
        await runtime.launch(spec(network=True, model_url=f"http://127.0.0.1:{port + 1}/v1"))


# --- the life of a network


async def used(runtime: ProcessRuntime, code: str = "pass") -> bool:
    """Runs an agent with this statement. Whether its network is not used again."""
    kept = runtime.host.networks
    assert kept is not None
    await until(lambda: _all_back(runtime))
    await _keeper_has_done_all(kept)
    first = _ready(runtime)[0]
    await answer(runtime, spec(agent_code=f"import socket\ndef run(query):\n    {code}\n", network=True))
    await _keeper_has_done_all(kept)
    return first.number not in {network.number for network in _ready(runtime)}


async def _keeper_has_done_all(kept: networks.Networks) -> None:
    """Orders are carried out one after the other: with an answer to this one, what became of all others is known."""
    assert kept._keeper is not None
    await kept._keeper.ask({"do": "open", "id": -1, "text": "", "forwards": []})


def _all_back(runtime: ProcessRuntime) -> bool:
    kept = runtime.host.networks
    assert kept is not None
    return not kept._in_use and not kept._coming and len(kept._ready) >= 2


def _ready(runtime: ProcessRuntime) -> list[Network]:
    assert runtime.host.networks is not None
    return [*runtime.host.networks._ready]


async def test_a_network_in_which_no_packet_was_sent_is_used_again_and_any_other_is_not(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "_REFRESH_S", 1e9)  # whatever addresses this machine gets meanwhile
    runtime = await opened()
    await answer(runtime, spec(network=True))
    for _ in range(5):
        assert not await used(runtime)
    assert await used(
        runtime, "s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname()).close()"
    )
    assert await used(runtime, "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'?', ('198.51.100.9', 9))")


async def test_a_new_address_of_the_machine_is_not_reached_either(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = await opened()
    await answer(runtime, spec(network=True))
    await until(lambda: _all_back(runtime))
    before = {network.number for network in _ready(runtime)}
    monkeypatch.setattr(networks, "_REFRESH_S", 0.0)
    try:
        with side_network() as beside, listening("0.0.0.0") as port:
            assert await tried(runtime, f"attempt({beside.host_address!r}, {port})") == Refused()
    except PermissionError as error:
        pytest.skip(str(error))
    assert before.isdisjoint({network.number for network in _ready(runtime)})


async def test_a_network_with_rules_of_before_is_not_used_again(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = await opened()
    kept = runtime.host.networks
    assert kept is not None
    before = await kept.take()
    monkeypatch.setattr(networks, "_REFRESH_S", 0.0)
    kept.allowed = parse_all("10.9.9.9:1")
    after = await kept.take()
    for network in (before, after):
        kept.give_back(network, unused=True)
    await until(lambda: _all_back(runtime))
    numbers = {network.number for network in _ready(runtime)}
    assert before.number not in numbers
    assert {network.edition for network in _ready(runtime)} == {after.edition}
    assert after.edition > before.edition


async def test_one_burst_after_another_makes_no_more_networks_than_were_in_use_at_once(opened: Open) -> None:
    runtime = await opened()
    kept = runtime.host.networks
    assert kept is not None
    for _ in range(4):
        taken = await asyncio.gather(*(kept.take() for _ in range(5)))
        for network in taken:  # and the next ones are taken before the keeper has looked at these
            kept.give_back(network, unused=True)
    await until(lambda: _all_back(runtime))
    await _keeper_has_done_all(kept)
    assert max(network.number for network in _ready(runtime)) <= 5 + networks._SPARES
    assert kept._coming == 0


async def test_two_tests_at_once_have_two_networks(opened: Open) -> None:
    runtime = await opened()
    kept = runtime.host.networks
    assert kept is not None
    code = "import os, time\ndef run(query):\n    time.sleep(3)\n    return os.readlink('/proc/self/ns/net')\n"
    under_way = [asyncio.ensure_future(answer(runtime, spec(agent_code=code, network=True))) for _ in range(5)]
    await until(lambda: kept._in_use == 5)
    names = await asyncio.gather(*under_way)
    assert len(set(names)) == 5


FORWARDS = pytest.mark.parametrize("allowed", ["", "127.0.0.1:9"], ids=["alone", "with a forwarded port"])


@FORWARDS
async def test_a_running_test_keeps_its_network_when_what_keeps_networks_dies(
    opened: Open, beside: SideNetwork, allowed: str
) -> None:
    runtime = await opened(egress_allow=parse_all(allowed))
    code = f"""
{TRY}
import time
def run(query):
    print("first", attempt({PUBLIC!r}, {PORT}), flush=True)
    time.sleep(2)
    return attempt({PUBLIC!r}, {PORT})
"""
    under_way = asyncio.ensure_future(answer(runtime, spec(agent_code=code, network=True)))
    kept = runtime.host.networks
    assert kept is not None
    await until(lambda: kept._in_use == 1)
    await asyncio.sleep(0.5)
    os.kill(_keeper(runtime), 9)
    assert await under_way == PUBLIC
    assert await tried(runtime, f"attempt({PUBLIC!r}, {PORT})") == PUBLIC


@FORWARDS
async def test_nothing_is_left_of_a_network_that_was_used(opened: Open, allowed: str) -> None:
    """Neither its slirp4netns nor what forwards its ports."""
    runtime = await opened(egress_allow=parse_all(allowed))
    await answer(runtime, spec(network=True))
    await until(lambda: _all_back(runtime))
    before = _children_of_keeper(runtime)
    assert await used(runtime, "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'?', ('198.51.100.9', 9))")
    await until(lambda: _all_back(runtime))
    await until(lambda: len(_children_of_keeper(runtime)) <= len(before))


@FORWARDS
async def test_nothing_is_left_when_all_have_gone(opened: Open, allowed: str) -> None:
    runtime = await opened(egress_allow=parse_all(allowed))
    await answer(runtime, spec(network=True))
    await until(lambda: _all_back(runtime))
    children = _children_of_keeper(runtime)
    assert len(children) >= 2
    keeper = _keeper(runtime)
    await runtime.aclose()
    await until(lambda: not any(_runs(pid) for pid in (keeper, *children)))


async def test_what_carries_a_network_takes_a_bounded_share_of_memory_and_connections(opened: Open) -> None:
    """It is no part of any test's cgroup."""
    runtime = await opened()
    await answer(runtime, spec(network=True))
    await until(lambda: _all_back(runtime))
    for child in _children_of_keeper(runtime):
        limits = await asyncio.to_thread(Path(f"/proc/{child}/limits").read_text)
        hard = {line[:25].strip(): line.split()[-2] for line in limits.splitlines()[1:]}
        assert (int(hard["Max open files"]), int(hard["Max address space"])) == (1024, 512 << 20)


def _keeper(runtime: ProcessRuntime) -> int:
    return int(_ready(runtime)[0].net.split("/")[2])


def _children_of_keeper(runtime: ProcessRuntime) -> list[int]:
    keeper = _keeper(runtime)
    return [int(pid) for pid in Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split() if _runs(int(pid))]


def _runs(pid: int) -> bool:
    """Whether it is there, and no ended child that nobody has collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def test_a_machine_that_cannot_make_networks_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(networks.PROGRAMS, "no-such-program", "no-such-package")
    with pytest.raises(Unfit, match=r"no-such-package.*ASSAY_PROCESS_NETWORK=host"):
        await ProcessRuntime.open(ProcessOptions(root=tmp_path, isolation=Isolation.REQUIRED))


async def test_the_network_of_the_host_is_there_for_who_asks_for_it(opened: Open) -> None:
    runtime = await opened(network=NetworkMode.HOST)
    with listening() as port:
        assert await tried(runtime, f"attempt('127.0.0.1', {port})") == "of the host"


async def test_an_installation_reaches_where_the_operator_has_it_install_from(opened: Open) -> None:
    heard: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readline()).decode())
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        runtime = await opened(build_env={"UV_INDEX_URL": f"http://127.0.0.1:{port}/simple"})
        launched = await runtime.launch(spec(requirements=("no-such-thing==1",), network=False))
        await ended(runtime, launched.handle, timeout=60)
    assert heard[0].startswith("GET /simple/no-such-thing/")
