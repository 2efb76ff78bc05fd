"""The way of a ZIP from its link to a file: streamed, taken up where it broke off, checked, and there all at once.

The server may be hostile: its names are checked, no link is followed on the way to the disk or to another host, and
what came is a package before it has a package's name.

Blocking, on the standard library; the asyncio client runs it in a thread. Knows nothing of gRPC: who calls brings a
new link when the old one has ended.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import stat
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from assay.errors import DownloadFailed
from assay.local_names import file_name
from assay.packages import Package
from assay.verify import structural_problems

TRIES = 6
PIECE = 1 << 18
TIMEOUT_S = 30.0
LONGEST_S = 3600.0  # of one connection: a server that sends a byte now and then would never end
MOST_BYTES = 256 << 20  # of a ZIP; all files of a package have 64 MiB at most (verify.py)
_ENDED = frozenset({400, 401, 403})  # what S3 says of a link whose time is over
_BUSY = frozenset({408, 429, 500, 502, 503, 504})
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class LinkEnded(Exception):
    """The link does not work any more; another one may."""


class Interrupted(Exception):
    """The connection broke; the same link may work in a moment."""


class Download:
    """One package on its way to a file. `done` is set when it is there."""

    def __init__(self, package: Package, to: str | os.PathLike[str]) -> None:
        """Raises DownloadFailed for a package that no server of Assay gives, and where another file is in the place
        that the server chose."""
        if not _SHA256.fullmatch(package.sha256) or not 0 < package.size <= MOST_BYTES:
            raise DownloadFailed(
                f"The server says of the package: {package.size:,} bytes with SHA-256 {package.sha256!r}."
            )
        self._package = package
        self.file, own_name = _target(os.fspath(to), package)
        # Named after its content, so that what an earlier run has left is of this very ZIP.
        self._part = self.file.with_name(f".{self.file.name}.{package.sha256[:16]}.part")
        self._stopped = threading.Event()
        self.done = self._is_there()
        if own_name and not self.done and os.path.lexists(self.file):
            raise DownloadFailed(f"{self.file} is there already and is another file: remove it, or name the file.")

    def stop(self) -> None:
        """Ends `fetch` soon; what has come is kept for the next one."""
        self._stopped.set()

    def fetch(self, url: str) -> None:
        """Gets what is missing. Raises LinkEnded, Interrupted, DownloadFailed for what is not the package, OSError."""
        self._part.parent.mkdir(parents=True, exist_ok=True)
        with open(self._part, "ab", opener=_never_through_a_link) as out:
            have = out.tell()
            if have > self._package.size:
                have = out.truncate(0)
            if have < self._package.size:
                self._receive(url, out, have)
            out.flush()
            os.fsync(out.fileno())
        self._check()
        self._part.replace(self.file)
        self.done = True

    def _receive(self, url: str, out: Any, have: int) -> None:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise DownloadFailed(f"The server names an address that is none of the web: {url[:100]}")
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - looked at above
        try:
            with _opener(url).open(request, timeout=TIMEOUT_S) as answer:
                if have and answer.status != 206:  # it sends everything, asked or not
                    out.truncate(0)
                    have = 0
                until = time.monotonic() + LONGEST_S
                while piece := answer.read1(PIECE):
                    if self._stopped.is_set():
                        raise Interrupted("stopped")
                    if time.monotonic() > until:
                        raise Interrupted(f"{have:,} bytes in {LONGEST_S:.0f} s")
                    have += len(piece)
                    if have > self._package.size:
                        raise DownloadFailed(f"There came more than the {self._package.size:,} bytes of the package.")
                    out.write(piece)
        except urllib.error.HTTPError as error:
            with error:
                if error.code in _ENDED:
                    raise LinkEnded(f"the link is refused ({error.code})") from error
                if error.code in _BUSY:
                    raise Interrupted(f"the object store answers {error.code}") from error
                raise DownloadFailed(f"The object store answers {error.code} {error.reason}.") from error
        except (http.client.HTTPException, urllib.error.URLError, TimeoutError, ConnectionError) as error:
            raise Interrupted(str(getattr(error, "reason", error)) or repr(error)) from error
        if have < self._package.size:
            raise Interrupted(f"the connection ended after {have:,} of {self._package.size:,} bytes")

    def _check(self) -> None:
        size, digest = _look(self._part)
        if (size, digest) != (self._package.size, self._package.sha256):
            self._part.unlink()
            raise DownloadFailed(
                f"What came is not the package: {size:,} bytes with SHA-256 {digest}, "
                f"and not {self._package.size:,} with {self._package.sha256}."
            )
        if problems := structural_problems(self._part):
            self._part.unlink()
            raise DownloadFailed(f"What came is not a package: {problems[0]}.")

    def _is_there(self) -> bool:
        return self.file.is_file() and _look(self.file) == (self._package.size, self._package.sha256)


def _target(to: str, package: Package) -> tuple[Path, bool]:
    """In a folder (that is there, or ends in a slash) the package has its own name, which the server chose; else it is
    the file."""
    if Path(to).is_dir() or to.endswith(os.sep):
        return Path(to) / file_name(package.filename), True
    return Path(to), False


def _never_through_a_link(path: str, flags: int) -> int:
    """Opens what is a file here, or nothing yet: in a shared folder, somebody may have put a link there."""
    handle = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise DownloadFailed(f"{path} is no regular file: remove it.")
    return handle


def _look(file: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as content:
        while piece := content.read(PIECE):
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Local mode's S3 is on this machine, where no proxy leads to."""
    if urlsplit(url).hostname in _HERE:
        return urllib.request.build_opener(urllib.request.ProxyHandler({}), _SameHost())
    return urllib.request.build_opener(_SameHost())


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows a redirection to the same server only: a link to a package leads to no other host, not to a file and not
    out of TLS."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        asked, told = urlsplit(req.full_url), urlsplit(newurl)
        if (asked.scheme, asked.netloc) != (told.scheme, told.netloc):
            raise DownloadFailed(f"The link to the package leads on to another place, {newurl[:100]!r}: not followed.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
