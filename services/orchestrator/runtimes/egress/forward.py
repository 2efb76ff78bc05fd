"""Carries connections from one port of a namespace's loopback to one address that the host reaches: how a test gets
to a model that runs on its machine, where the operator permits it. A script of its own, started by the keeper.

    python -S -I forward.py NETNS_FD PORT HOST TO LIFE_FD READY_FD

Ends when LIFE_FD says so (its other end is closed).
"""

import asyncio
import contextlib
import ctypes
import os
import socket
import sys

CLONE_NEWNET = 0x40000000  # sched.h
PIECE = 65536
MOST = 256  # connections at once: far above what a client of a model holds


def listening(namespace: int, port: int) -> socket.socket:
    """A socket that listens inside. A socket stays in the namespace in which it was made; we go back by ending."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(namespace, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            made = socket.socket()
            made.bind(("127.0.0.1", port))
            made.listen(128)
            socket.send_fds(theirs, [b"."], [made.fileno()])
            code = 0
        finally:
            os._exit(code)
    theirs.close()
    _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    os.waitpid(pid, 0)
    if not descriptors:
        raise OSError(f"port {port} could not be opened in the network of the test")
    return socket.socket(fileno=descriptors[0])


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All that comes, and then its end."""
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def serve(inside: socket.socket, host: str, port: int, life: int, ready: int) -> None:
    """Until the namespace has ended."""
    places = asyncio.Semaphore(MOST)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with places:
            try:
                answers, questions = await asyncio.open_connection(host, port)
            except OSError:
                writer.transport.abort()  # as the port would do it
                return
            try:
                await asyncio.gather(pour(reader, questions), pour(answers, writer))
            finally:
                writer.close()
                questions.close()

    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(life, over.set)
    server = await asyncio.start_server(carry, sock=inside)
    os.write(ready, b"ready")
    os.close(ready)
    await over.wait()
    server.close()


def main() -> None:
    """As the arguments say."""
    namespace, port, host, to, life, ready = sys.argv[1:]
    try:
        inside = listening(int(namespace), int(port))
    except OSError as error:
        os.write(int(ready), str(error).encode())
        return
    os.close(int(namespace))
    asyncio.run(serve(inside, host, int(to), int(life), int(ready)))


if __name__ == "__main__":
    main()
