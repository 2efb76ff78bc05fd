"""HTTP/1.1 as strictly as its rules allow: where a request ends is never a guess.

Pure: from bytes to a request or to what is wrong with it. What proxies and servers could read in two ways is refused.
"""

from __future__ import annotations

import re

HEAD_BYTES = 16 * 1024  # of a request line and all headers together
HEADERS = 100
LENGTH_DIGITS = 12

REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~]+) HTTP/([0-9])\.([0-9])")
HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([^\x00-\x08\x0a-\x1f\x7f]*)")
# RFC 9112, 2.2: a line ends with CR LF. Others take a bare LF, too, and so disagree on where a request ends.
NOT_IN_HEAD = re.compile(rb"(?<!\r)\n|\r[^\n]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
ONCE = frozenset({b"authorization", b"content-length", b"content-type", b"expect", b"host", b"transfer-encoding"})


class Refused(Exception):
    """A request that is answered with an error, after which its connection ends: where it ends is not known, or its
    body is not read."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Request:
    """The head of a request. `length`: bytes of its body; None where it says nothing of one."""

    def __init__(self, method: str, target: str, minor: int, headers: dict[bytes, bytes], length: int | None) -> None:
        self.method, self.path, self.minor = method, target.partition("?")[0], minor
        self.headers, self.length = headers, length

    @property
    def last(self) -> bool:
        """Whether its connection ends with it."""
        options = self.headers.get(b"connection", b"").lower().replace(b" ", b"").split(b",")
        return self.minor == 0 or b"close" in options

    @property
    def foreign_page(self) -> bool:
        """Whether a browser says that a page of somebody else's asks, in the name of whoever looks at it. To servers
        without TLS on other machines it says only where the page is from."""
        site = self.headers.get(b"sec-fetch-site")
        if site is not None:
            return site not in (b"none", b"same-origin")
        origin = self.headers.get(b"origin")
        return origin is not None and origin.partition(b"://")[2] != self.headers.get(b"host")

    @property
    def waits(self) -> bool:
        """Whether its body comes once it is asked for."""
        return self.minor > 0 and b"expect" in self.headers


def end_of_head(received: bytes | bytearray) -> int | None:
    """Where the body begins, or None while there is more to come. Raises Refused as soon as none can come of it."""
    end = received.find(b"\r\n\r\n", 0, HEAD_BYTES + 4)
    if NOT_IN_HEAD.search(received, 0, end if end >= 0 else min(len(received), HEAD_BYTES)):
        raise Refused(400, "MALFORMED_REQUEST", "Send HTTP/1.1, with lines that end in CR LF.")
    if end >= 0:
        return end + 4
    if len(received) > HEAD_BYTES:
        raise Refused(431, "TOO_LARGE", f"A request line and its headers have at most {HEAD_BYTES} bytes.")
    return None


def request_of(head: bytes) -> Request:
    """What a head, without the empty line at its end, says. Raises Refused."""
    first, *lines = head.split(b"\r\n")
    found = REQUEST_LINE.fullmatch(first)
    if not found:
        raise Refused(400, "MALFORMED_REQUEST", "Begin with METHOD, path and HTTP/1.1.")
    major, minor = int(found[3]), int(found[4])
    if major != 1 or minor > 1:
        raise Refused(505, "VERSION_NOT_SUPPORTED", "Send HTTP/1.1.")
    if found[2][:1] != b"/":
        raise Refused(400, "MALFORMED_REQUEST", "Ask for a path that begins with /.")
    headers = _headers(lines)
    if (b"host" not in headers and minor == 1) or not HOST.fullmatch(headers.get(b"host", b"")):
        raise Refused(400, "MALFORMED_REQUEST", "Send one Host header.")
    if headers.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise Refused(417, "EXPECTATION_FAILED", "Only 100-continue can be expected.")
    method = found[1].decode("ascii")
    length = _length(headers)
    if length and method not in ("POST", "PUT", "PATCH"):
        raise Refused(400, "MALFORMED_REQUEST", f"Send {method} without a body.")
    return Request(method, found[2].decode("ascii"), minor, headers, length)


def _headers(lines: list[bytes]) -> dict[bytes, bytes]:
    if len(lines) > HEADERS:
        raise Refused(431, "TOO_LARGE", f"Send at most {HEADERS} headers.")
    headers: dict[bytes, bytes] = {}
    for line in lines:
        found = HEADER.fullmatch(line)
        if not found:  # a space before the colon, or a line that goes on: read in several ways
            raise Refused(400, "MALFORMED_REQUEST", "Send headers as `Name: value`, each on one line.")
        name, value = found[1].lower(), found[2].rstrip(b"\t ")
        if name in headers and name in ONCE:
            raise Refused(400, "MALFORMED_REQUEST", f"Send {name.decode('ascii')} once.")
        headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


def _length(headers: dict[bytes, bytes]) -> int | None:
    text = headers.get(b"content-length")
    if b"transfer-encoding" in headers:
        if text is not None:
            raise Refused(400, "MALFORMED_REQUEST", "Send Content-Length without Transfer-Encoding.")
        raise Refused(411, "LENGTH_REQUIRED", "Send the query with a Content-Length.")
    if text is None:
        return None
    if not text.isdigit():
        raise Refused(411, "LENGTH_REQUIRED", "Send the query with a Content-Length.")
    if len(text) > LENGTH_DIGITS:
        raise Refused(413, "TOO_LARGE", "That is too long for a query.")
    return int(text)
