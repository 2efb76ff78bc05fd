"""One network namespace: made with its rules, connected by slirp4netns, opened for more, and whether it was used.

Standard library only: the keeper is made of it.
"""

# pathlib would double what the keeper is.
# ruff: noqa: S606, FBT003

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterable
from typing import Final, NoReturn

from services.orchestrator.runtimes.egress.addresses import SUBNET
from services.orchestrator.runtimes.egress.forward import forward
from services.orchestrator.runtimes.kernel import CLONE_NEWNET, call, ended_well, read_within, spawn, write

_MTU: Final = "65520"  # slirp4netns(1): recommended for throughput
_OPEN_FILES: Final = 1024  # of one slirp4netns: each connection of its test is one
_MEMORY: Final = 512 << 20
"""Of one slirp4netns, which counts to no test's limit. A connection whose two ends read nothing has 256 KiB in it
(libslirp, TCP_SNDSPACE and TCP_RCVSPACE), so the files are what ends first, in good order."""
_NO_RULES: Final = "nft did not take the rules"


class Broken(Exception):
    """A namespace was not made or opened; the message says why."""


class Namespace:
    """One network namespace and its slirp4netns."""

    def __init__(self, pid: int, edition: int) -> None:
        """The one that process `pid` is in."""
        self.net = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.counters = os.open(f"/proc/{pid}/net/dev", os.O_RDONLY | os.O_CLOEXEC)
        self.ends, self.life = os.pipe2(os.O_CLOEXEC)
        self.slirp = 0
        self.fresh = b""
        self.edition = edition
        """of the rules that it was made with"""

    def packets(self) -> bytes:
        """What its devices have counted."""
        return os.pread(self.counters, 65536, 0)

    def close(self) -> None:
        """Lets go: it ends with the last process in it."""
        for fd in (self.net, self.counters, self.ends, self.life):
            os.close(fd)

    def attach(self) -> None:
        """Starts slirp4netns and waits until it has set up the device. Raises Broken."""
        ready, told = os.pipe2(os.O_CLOEXEC)
        self.slirp = spawn(self._become_slirp, told, keep=(self.net, self.ends, told))
        os.close(told)
        try:
            if b"1" not in read_within(ready):
                raise Broken("slirp4netns did not set up the network")
        finally:
            os.close(ready)

    def _become_slirp(self, told: int) -> NoReturn:
        for fd in (self.net, self.ends, told):
            os.set_inheritable(fd, True)
        resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))  # not 0: as in orders.py
        line = ["slirp4netns", "--configure", f"--mtu={_MTU}", f"--cidr={SUBNET}", "--disable-host-loopback"]
        line += ["--enable-sandbox", "--enable-seccomp", f"--exit-fd={self.ends}", f"--ready-fd={told}"]
        os.execvp(line[0], [*line, "--netns-type=path", f"/proc/self/fd/{self.net}", "tap0"])

    def forward_all(self, ports: Iterable[int]) -> None:
        """Has connections to ports of its loopback arrive at the host's, for as long as it lives. Raises Broken."""
        for port in ports:
            self._forward(port)

    def _forward(self, port: int) -> None:
        hearing, made = os.pipe2(os.O_CLOEXEC)
        spawn(forward, self.net, port, self.ends, made, keep=(self.net, self.ends, made))
        os.close(made)
        try:
            if read_within(hearing) != b"ready":
                raise Broken(f"port {port} cannot be opened in the network of a test")
        finally:
            os.close(hearing)


def make(rules: str, forwards: Iterable[int], edition: int) -> Namespace:
    """A namespace with its rules, its way out and its forwarded ports. Raises Broken, OSError."""
    made, say_made = os.pipe2(os.O_CLOEXEC)
    go_on, say_go_on = os.pipe2(os.O_CLOEXEC)

    def become_the_rules() -> NoReturn:
        call("unshare", CLONE_NEWNET)
        # Of what comes: loopback keeps ::1, and no packet of the kernel's own (router solicitation) is ever counted.
        with contextlib.suppress(OSError):
            write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")
        os.write(say_made, b"made")
        os.read(go_on, 1)  # until the parent has hold of it
        apply(rules)

    pid = spawn(become_the_rules, keep=(say_made, go_on))
    namespace = None
    try:
        os.close(say_made)
        if read_within(made) != b"made":
            raise Broken("no network namespace can be made here")
        namespace = Namespace(pid, edition)
        os.write(say_go_on, b".")
        namespace.attach()
        if not ended_well(pid):
            raise Broken(_NO_RULES)
        namespace.fresh = namespace.packets()
        namespace.forward_all(forwards)
    except BaseException:
        if namespace:
            namespace.close()
        raise
    finally:
        for fd in (made, go_on, say_go_on):
            os.close(fd)
    return namespace


def apply(rules: str) -> NoReturn:
    """Becomes nft with these rules for its input, in the namespace that we are in."""
    memory = os.memfd_create("rules", 0)
    os.write(memory, rules.encode())
    os.lseek(memory, 0, 0)
    os.dup2(memory, 0)
    os.execvp("nft", ["nft", "-f", "-"])


def insert(namespace: Namespace, rules: str) -> None:
    """Adds rules. Raises Broken."""

    def become_the_rules() -> NoReturn:
        call("setns", namespace.net, CLONE_NEWNET)
        apply(rules)

    if not ended_well(spawn(become_the_rules, keep=(namespace.net,))):
        raise Broken(_NO_RULES)
