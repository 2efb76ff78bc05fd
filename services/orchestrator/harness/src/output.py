"""The output protocol: one JSON object per line on fd 1."""

from __future__ import annotations

import sys
import time

from services.orchestrator.harness.src.file_descriptors import complain, write_all
from services.orchestrator.harness.src.jsontext import quote

PARTIAL_BYTES = 8 << 20  # of text of lines that have not ended, in one run: who looks on is served, not flooded
LONGEST_ESCAPE = 6  # bytes for one: \\u0000 for a control character; three for a byte that is no UTF-8


class Output:
    """Numbers the lines and writes them in bursts: one write for what one read brought. The only writer of fd 1."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.nonce = ""
        self.seq = 0  # of the last line
        self.last_allowed = self.room = sys.maxsize  # the highest number, and the bytes left
        self.line_bytes = 16384  # of a line as the agent wrote it
        self.encoded_bytes = sys.maxsize  # of the text of a line as it leaves, quoted and escaped
        self.partial_room = PARTIAL_BYTES
        self.truncated = False
        self.broken = False
        self.waiting: list[str] = []

    def line(self, stream: str, text: str, size: int, level: str, *, continued: bool = False) -> None:
        """A line of the agent or the installer; `size`: bytes that it had as they wrote it."""
        if self.truncated:
            return
        self.room -= size
        if self.seq >= self.last_allowed or self.room < 0:
            self._truncate()
            return
        if size * LONGEST_ESCAPE > self.encoded_bytes:
            while cut := cut_of(text, self.encoded_bytes):
                self._append(stream, level, text[:cut], ',"cont":true' if continued else "")
                text, continued = text[cut:], True
                if self.seq >= self.last_allowed:
                    self._truncate()
                    return
        self._append(stream, level, text, ',"cont":true' if continued else "")

    def partial(self, stream: str, level: str, text: str) -> None:
        """What a line that has not ended says so far. It has no number: nobody keeps it, and nobody misses it."""
        if len(text) * LONGEST_ESCAPE > self.encoded_bytes and (cut := cut_of(text, self.encoded_bytes)):
            text = text[:cut]
        said = quote(text)
        self.partial_room -= len(said)
        if self.partial_room >= 0 and not self.truncated:
            self.waiting.append(
                f'{{"partial":true,"ts":{time.time():.6f},"stream":"{stream}","level":"{level}","text":{said},"after":{self.seq}}}\n'
            )

    def say(self, text: str, level: str = "info") -> None:
        """A line of our own, of the stream `system`."""
        if not self.truncated:
            self._append("system", level, text, "")

    def _append(self, stream: str, level: str, text: str, more: str) -> None:
        self.seq += 1
        self.waiting.append(
            f'{{"seq":{self.seq},"ts":{time.time():.6f},"stream":"{stream}","level":"{level}","text":{quote(text)}{more}}}\n'
        )

    def mark(self, name: str, more: str = "") -> None:
        self.waiting.append(f'{{"mark":"{name}","ts":{time.time():.6f},"nonce":{quote(self.nonce)}{more}}}\n')

    def _truncate(self) -> None:
        reason = "bytes" if self.room < 0 else "lines"
        self.say(f"Too many {reason} of output: what follows is not kept. The agent runs on.", "warning")
        self.truncated = True
        self.mark("truncated", f',"lines":{self.seq}')

    def flush(self) -> None:
        if self.waiting and not self.broken:
            data = "".join(self.waiting).encode("utf-8", "replace")
            try:
                write_all(self.fd, data)
            except OSError as error:  # a full disk, or a reader that left
                self.broken = True  # the test goes on, and the numbers tell what is missing
                complain(f"output is lost: {error}")
        self.waiting.clear()


def cut_of(text: str, limit: int) -> int:
    """How many characters of it fit as a JSON string into so many bytes; 0 where all of them do."""
    size = encoded_size(text)
    if size <= limit:
        return 0
    count = max(1, len(text) * limit // size)
    while count > 1 and encoded_size(text[:count]) > limit:  # what is longer than the average stands at the beginning
        count = max(1, count * 7 // 8)
    return count


def encoded_size(text: str) -> int:
    return len(quote(text).encode("utf-8", "replace")) - 2
