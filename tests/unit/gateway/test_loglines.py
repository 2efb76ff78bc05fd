import pytest

from assay.v1 import log_pb2, test_service_pb2
from services.gateway.streams.loglines import MOST_BYTES, Wanted, joined, message, messages
from tests.support.gateway import line, lines


def test_a_line_keeps_its_microseconds() -> None:
    made = message(line(7, "ERROR x", stream="stderr", level="error").model_copy(update={"ts": 1_700_000_000.123456}))
    assert (made.time.seconds, made.time.nanos) == (1_700_000_000, 123_456_000)
    assert (made.seq, made.stream, made.level) == (7, log_pb2.LOG_STREAM_STDERR, log_pb2.LOG_LEVEL_ERROR)


@pytest.mark.parametrize(
    ("level", "streams", "everything"),
    [
        (0, [], True),
        (log_pb2.LOG_LEVEL_DEBUG, [], True),
        (log_pb2.LOG_LEVEL_INFO, [], False),
        (0, [log_pb2.LOG_STREAM_STDOUT], False),
        (0, [log_pb2.LOG_STREAM_UNSPECIFIED], True),
        (0, [1, 2, 3, 4], True),
    ],
)
def test_what_a_filter_lets_pass(level: int, streams: list[int], everything: bool) -> None:
    assert Wanted.of(level, streams).everything is everything


def test_lines_are_cut_into_messages_that_a_client_takes() -> None:
    cut = messages([message(one) for one in lines(1, 200, "x" * 16_384)])
    assert len(cut) > 1
    assert all(len(part) <= MOST_BYTES for part in cut)
    seqs = [one.seq for part in cut for one in test_service_pb2.StreamLogsResponse.FromString(part).lines]
    assert seqs == list(range(1, 201))


def test_messages_that_wait_are_joined_as_far_as_a_client_takes_them() -> None:
    small = [messages([message(one)])[0] for one in lines(1, 50)]
    large = [messages([message(one)])[0] for one in lines(51, 250, "x" * 16_384)]
    made = joined(small + large)
    assert len(made) < 10
    assert all(len(part) <= MOST_BYTES for part in made)
    seqs = [one.seq for part in made for one in test_service_pb2.StreamLogsResponse.FromString(part).lines]
    assert seqs == list(range(1, 251))
    assert joined([]) == []
