"""Streams are spread over connections, none of which carries more than it may."""

import grpc.aio

from services.console.events.connections import Connections


def connect() -> grpc.aio.Channel:
    return grpc.aio.insecure_channel("127.0.0.1:1")


async def test_a_connection_takes_as_many_streams_as_it_may_and_its_room_again() -> None:
    opened: list[grpc.aio.Channel] = []

    def counted() -> grpc.aio.Channel:
        opened.append(connect())
        return opened[-1]

    connections = Connections(counted, most=4)
    with connections.room(3) as first:
        with connections.room(1) as second:
            assert second is first
        with connections.room(2) as third, connections.room(1) as fourth:
            assert third is not first
            assert fourth is first
    with connections.room(4) as again:
        assert again in opened
    assert len(opened) == 2
    for channel in opened:
        await channel.close(None)
