"""ZIP archives as nobody should write them: each is refused with a reason, or what comes of it is what a strict reader
of the format sees, in bounded time and memory."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zipfile
import zlib
from functools import cache
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.gateway.archives import paths
from services.gateway.archives.archive import BadArchive, Content, Limits, read
from shared.domain.files import cut, digest, join
from tests.support.archive_bytes import zipped
from tests.support.fuzzing import fuzzed
from tests.support.wild_json import changed_bytes

LIMITS: Final = Limits("a project", files=50, size=1 << 20)
LONG_S: Final = 5.0
BOMB: Final = 64 << 20
MOST_MEMORY: Final = 16 << 20
NAMES: Final = (
    *(
        "agent.py",
        "a/b.py",
        "a",
        "A",
        "a/",
        "a//b",
        "../x",
        "/x",
        "a\\b",
        "",
        ".",
        "a\x00b",
        "é",
        "e\u0301",
        "con",
        "C:x",
    ),
    *("x" * 300, "d/" * 30 + "f", "__pycache__/a.pyc", ".DS_Store", "\u202egpj.exe", "a.", "ﬀ", "FF", "a/b.py/c"),
)
GOOD: Final = ("agent.py", "b.txt", "a/b.py", "a/c", "é", "x/y/z.bin", "__pycache__/a.pyc", "a/")
_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")


@cache
def deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


@st.composite
def handmade(draw: st.DrawFn) -> bytes:
    """An archive whose headers, at each place, may say something else than is there and than the others say."""

    def odd(true: int, most: int) -> int:
        if draw(st.integers(0, 79)):
            return true
        return min(
            most, max(0, draw(st.sampled_from((0, 1, true - 1, true + 1, 2 * true, 0xFFFF, most, most - 1, 1 << 20))))
        )

    body, directory = bytearray(), bytearray()
    body += draw(st.sampled_from((b"", b"", b"", b"#!/bin/sh\n", b"PK\x03\x04")))
    entries = draw(st.sampled_from((1, 1, 2, 2, 3, 0)))
    place = 0
    for _ in range(entries):
        name = draw(st.one_of(st.sampled_from(GOOD), st.sampled_from(GOOD), st.sampled_from(NAMES))).encode()
        other = draw(st.sampled_from(NAMES)).encode() if draw(st.integers(0, 29)) == 0 else name
        if draw(st.integers(0, 29)) == 0:
            name = other = draw(st.binary(max_size=6))
        content = draw(st.sampled_from((b"", b"x", b"def run(q): return q\n", b"\0" * 300_000, b"ab" * 700_000)))
        method = draw(st.sampled_from((0, 8, 8, 8)))
        packed = deflated(content) if method == 8 else content
        flags = draw(st.sampled_from((*(0x800,) * 8, 0, 0, 0x8, 0x1, 0x40, 0x20)))
        extra = draw(
            st.sampled_from((*(b"",) * 12, b"\x01\x00\x08\x00" + b"\xff" * 8, b"\x01\x00\x00", b"up\x05\x00\x01abcd"))
        )
        crc = odd(zlib.crc32(content), 0xFFFFFFFF)
        if draw(st.integers(0, 19)):  # else two entries share their bytes, as in some bombs
            place = len(body)
            body += _LOCAL.pack(
                *(b"PK\x03\x04", odd(20, 0xFFFF), flags, odd(method, 0xFFFF), 0, 0x21, crc),
                *(odd(len(packed), 0xFFFFFFFF), odd(len(content), 0xFFFFFFFF), odd(len(other), 0xFFFF), len(extra)),
            )
            body += other + extra + packed
        mode = draw(st.sampled_from((*(0o100644, 0o100755, 0) * 5, 0o120777, 0o040755, 0o020644, 0o010644)))
        directory += _CENTRAL.pack(
            *(b"PK\x01\x02", 0x0314, odd(20, 0xFFFF), flags, odd(method, 0xFFFF), 0, 0x21, crc),
            *(
                odd(len(packed), 0xFFFFFFFF),
                odd(len(content), 0xFFFFFFFF),
                odd(len(name), 0xFFFF),
                odd(len(extra), 0xFFFF),
            ),
            *(0, odd(0, 0xFFFF), 0, mode << 16, odd(place, 0xFFFFFFFF)),
        )
        directory += name + extra
    end = _END.pack(
        *(b"PK\x05\x06", odd(0, 0xFFFF), odd(0, 0xFFFF), odd(entries, 0xFFFF), odd(entries, 0xFFFF)),
        *(odd(len(directory), 0xFFFFFFFF), odd(len(body), 0xFFFFFFFF), odd(0, 0xFFFF)),
    )
    return bytes(body + directory + end + draw(st.sampled_from((b"", b"", b"", b"x", end))))


VALID: Final = (
    zipped({"agent.py": "def run(q):\n    return q\n", "a/b.txt": "b" * 500}),
    zipped({"agent.py": "x", "é.txt": "y"}, runs=("agent.py",), method=zipfile.ZIP_STORED),
    zipped({"bomb": b"\0" * (4 << 20)}),
    zipped({"a/agent.py": "x"}),
)


TWO_SIZES: Final = VALID[1].replace(struct.pack("<2I", 1, 1), struct.pack("<2I", 2, 1))


MORE_THAN_STATED: Final = (
    zipped({"agent.py": "x" * 503})
    .replace(struct.pack("<I", 503), struct.pack("<I", 500))
    .replace(struct.pack("<I", zlib.crc32(b"x" * 503)), struct.pack("<I", zlib.crc32(b"x" * 500)))
)


_LENGTH: Final = VALID[3].rfind(b"PK\x01\x02") + 28
LONGER_NAME: Final = VALID[3][:_LENGTH] + b"\x0a\x01" + VALID[3][_LENGTH + 2 :]


def strictly_read(data: bytes) -> dict[str, bytes]:
    """By the list at the end alone, each entry by itself, and every field checked against the bytes."""
    end = _END.unpack_from(data, data.rfind(b"PK\x05\x06"))
    size, start = end[5], end[6]
    place = data.rfind(b"PK\x05\x06") - size
    shift = place - start
    found: dict[str, bytes] = {}
    stop = place + size
    while place < stop:
        head = _CENTRAL.unpack_from(data, place)
        assert head[0] == b"PK\x01\x02"
        method, crc, packed_size, content_size, name_size, extra, comment = (head[n] for n in (4, 7, 8, 9, 10, 11, 12))
        name = data[place + 46 : place + 46 + name_size].decode()
        place += 46 + name_size + extra + comment
        if name.endswith("/") or paths.is_left_out(name):
            continue
        local = _LOCAL.unpack_from(data, head[16] + shift)
        assert local[0] == b"PK\x03\x04"
        begin = head[16] + shift + 30
        assert data[begin : begin + local[9]].decode() == name
        begin += local[9] + local[10]
        packed = data[begin : begin + packed_size]
        content = zlib.decompressobj(-15).decompress(packed) if method == 8 else packed
        assert len(content) == content_size
        assert zlib.crc32(content) == crc
        assert name not in found
        found[name] = content
    return found


def in_bounds(data: bytes) -> Content | None:
    begun = time.process_time()
    try:
        return read(data, LIMITS)
    except BadArchive as error:
        problems = error.problems
    finally:
        assert time.process_time() - begun < LONG_S
    assert problems
    for problem in problems:
        assert 0 < len(problem) < 2_000
        problem.encode()
    return None


@fuzzed(0.12)
@given(
    st.one_of(
        handmade(),
        handmade().flatmap(changed_bytes),
        st.sampled_from(VALID).flatmap(changed_bytes),
        st.sampled_from(VALID),
    )
)
@example(b"PK\x05\x06" + b"\0" * 18)
@example(b"")
@example(TWO_SIZES)
@example(MORE_THAN_STATED)
@example(LONGER_NAME)
def test_an_archive_is_refused_with_a_reason_or_is_what_a_strict_reader_sees(data: bytes) -> None:
    content = in_bounds(data)
    if content is None:
        return
    assert dict(content.files) == strictly_read(data)
    assert sum(map(len, content.files.values())) <= LIMITS.size
    assert 0 < len(content.files) <= LIMITS.files
    assert content.executables <= set(content.files)
    for name in content.files:
        assert not paths.problem(name)
    joined = join(content.files, content.executables)
    assert dict(cut(joined.files, joined.data)) == content.files
    assert joined.digest == digest(joined.files)


@pytest.mark.parametrize("count", [1, 3], ids=["one", "three that share their bytes"])
def test_a_bomb_takes_no_more_memory_than_the_limit(count: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(BOMB))
        archive.filelist.extend(archive.filelist * (count - 1))
    # It says that it is small.
    data = buffer.getvalue().replace(struct.pack("<I", BOMB), struct.pack("<I", 1000))
    tracemalloc.start()
    try:
        assert in_bounds(data) is None
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
