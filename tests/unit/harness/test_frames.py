from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.harness.src.frames import FRAME_BYTES, TOKEN_BYTES, Unframer, framed, new_token

TOKEN = b"\xff" + b"0123456789a"
Pieces = list[tuple[str, str, bytes]]


def joined(pieces: Pieces) -> Pieces:
    """Pieces of the same stream and level behind each other as one: how reads cut them says nothing."""
    whole: Pieces = []
    for stream, level, data in pieces:
        if whole and whole[-1][:2] == (stream, level):
            whole[-1] = (stream, level, whole[-1][2] + data)
        else:
            whole.append((stream, level, data))
    return whole


def read(raw: bytes, *cuts: int) -> Pieces:
    unframer = Unframer(TOKEN)
    ends = [*sorted(cuts), len(raw)]
    pieces = [piece for start, end in zip([0, *ends], ends, strict=False) for piece in unframer.feed(raw[start:end])]
    return joined(pieces + unframer.end())


WRITTEN = b"".join(
    (
        b"one\n",
        *framed(TOKEN, "stderr", "", b"two\n"),
        b"\xffthree",
        *framed(TOKEN, "stdout", "error", b"four\n"),
        b"\xff",
    )
)
SAID = [
    ("stdout", "", b"one\n"),
    ("stderr", "", b"two\n"),
    ("stdout", "", b"\xffthree"),
    ("stdout", "error", b"four\n"),
]


@pytest.mark.parametrize("cut", range(len(WRITTEN) + 1))
def test_a_frame_is_whole_again_wherever_a_read_ended(cut: int) -> None:
    assert read(WRITTEN, cut) == [*SAID, ("stdout", "", b"\xff")]


def test_a_frame_is_whole_again_when_it_comes_byte_by_byte() -> None:
    assert read(WRITTEN, *range(len(WRITTEN))) == [*SAID, ("stdout", "", b"\xff")]


@given(
    st.lists(
        st.tuples(st.sampled_from(["raw", "stdout", "stderr"]), st.sampled_from(["", "debug", "critical"]), st.binary())
    ),
    st.data(),
)
def test_whatever_is_written_is_read_as_what_it_was(written: list[tuple[str, str, bytes]], data: st.DataObject) -> None:
    raw, said = b"", []
    for stream, level, text in written:
        if stream == "raw":
            raw += text
            said.append(("stdout", "", text))
        else:
            raw += b"".join(framed(TOKEN, stream, level, text))
            said.append((stream, level, text))
    cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=10))
    assert read(raw, *cuts) == joined([piece for piece in said if piece[2]])


def test_a_long_text_leaves_in_writes_that_the_kernel_does_not_split() -> None:
    frames = list(framed(TOKEN, "stderr", "warning", b"x" * 10_000))
    assert max(map(len, frames)) == FRAME_BYTES == os.pathconf("/", "PC_PIPE_BUF")
    assert read(b"".join(frames)) == [("stderr", "warning", b"x" * 10_000)]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(TOKEN + b"\x63\x00\x01x", id="a code that there is not"),
        pytest.param(TOKEN + b"\x00\xff\xffx", id="a length that no frame has"),
        pytest.param(TOKEN + b"\x00\x00\x09x", id="a frame that is never finished"),
        pytest.param(TOKEN[:-1], id="a token that is never finished"),
        pytest.param(TOKEN + TOKEN, id="two tokens"),
    ],
)
def test_what_is_no_frame_is_text(raw: bytes) -> None:
    assert read(b"a" + raw) == [("stdout", "", b"a" + raw)]


def test_a_token_begins_with_what_no_text_holds_and_is_another_each_time() -> None:
    tokens = {new_token() for _ in range(50)}
    assert len(tokens) == 50
    assert {(token[0], len(token)) for token in tokens} == {(0xFF, TOKEN_BYTES)}
