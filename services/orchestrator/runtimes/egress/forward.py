"""Carries connections from one port of a namespace's loopback to that of the host's: how a test gets to a model that
runs on its machine, where the operator permits it.

Threads, for the keeper must not grow by an event loop. Standard library only: the keeper is made of it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import Final, NoReturn

from services.orchestrator.runtimes.kernel import CLONE_NEWNET, call, readable

_PIECE: Final = 65536
_MOST: Final = 128  # connections at once: far above what clients of a model hold
_CONNECT_S: Final = 10.0


def forward(namespace: int, port: int, life: int, ready: int) -> NoReturn:
    """Becomes the process that does it, until `life` (the read end of a pipe) says that the namespace is gone."""
    server = _listening(namespace, port)
    os.write(ready, b"ready")
    os.close(ready)
    places = threading.BoundedSemaphore(_MOST)
    while True:
        if life in readable(server.fileno(), life):
            os._exit(0)
        inside, _ = server.accept()
        places.acquire()  # who holds them all makes others wait: they are of one test
        threading.Thread(target=_carry, args=(inside, port, places), daemon=True).start()


def _listening(namespace: int, port: int) -> socket.socket:
    """A socket that listens inside. It stays in the namespace in which it was made, while this process must not go
    there: it could not come back."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(OSError):
            call("setns", namespace, CLONE_NEWNET)
            made = socket.create_server(("127.0.0.1", port))
            socket.send_fds(theirs, [b"."], [made.fileno()])
        os._exit(0)
    theirs.close()
    descriptors = socket.recv_fds(ours, 1, 1)[1]
    os.waitpid(pid, 0)
    if not descriptors:
        os._exit(1)
    return socket.socket(fileno=descriptors[0])


def _carry(inside: socket.socket, port: int, places: threading.BoundedSemaphore) -> None:
    try:
        # Not create_connection: it loads the codec of foreign names, and nothing can be loaded any more.
        with inside, socket.socket() as outside:
            outside.settimeout(_CONNECT_S)
            outside.connect(("127.0.0.1", port))
            outside.settimeout(None)
            back = threading.Thread(target=_pour, args=(outside, inside), daemon=True)
            back.start()
            _pour(inside, outside)
            back.join()
    except OSError:  # refused there: it is closed here
        pass
    finally:
        places.release()


def _pour(source: socket.socket, sink: socket.socket) -> None:
    """All that comes, and then its end; an end by force ends both."""
    try:
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
