"""Where the context comes from and the result goes."""

from __future__ import annotations

import posix as os  # what is in os without what makes its import cost a millisecond
import time

from services.orchestrator.harness.src.context import Context, ContextUnavailable
from services.orchestrator.harness.src.environment import ENVIRONMENT
from services.orchestrator.harness.src.file_descriptors import complain, read_all, write_all
from services.orchestrator.harness.src.files import LOST_ON_THE_WAY, MOST_LEFT_OUT, Delivery, Left
from services.orchestrator.harness.src.jsontext import to_json


def take_context() -> Context:
    url = ENVIRONMENT.get("ASSAY_CONTEXT_URL")
    if url is None:
        return Context(read_all(0))
    raw = transfer(url, None)
    import hashlib

    if hashlib.sha256(raw).hexdigest() != ENVIRONMENT.get("ASSAY_CONTEXT_SHA256", "").lower():
        raise ContextUnavailable("the context is not the one that was written: its SHA-256 differs")
    return Context(raw)


def deliver(result: dict[str, object], result_fd: int | None, left: Left | None = None) -> bool:
    """One line of JSON, and behind it the content of the files that it lists. Where the files do not get through, the
    line goes without them: an answer must not be lost for its files."""
    url = ENVIRONMENT.get("ASSAY_RESULT_URL")
    while True:
        data = to_json(result).encode("utf-8", "replace") + b"\n"
        with_files = left is not None and bool(left.files)
        try:
            if url is not None:
                transfer(url, Delivery(data, left) if left is not None and with_files else data)
            elif result_fd is not None:
                write_all(result_fd, data)
                for piece in left.content() if left is not None else ():
                    write_all(result_fd, piece)
                os.close(result_fd)
        except (OSError, ContextUnavailable) as error:
            complain(f"the result cannot be delivered{' with its files' if with_files else ''}: {error}")
            if getattr(error, "errno", None) == 27:  # EFBIG: a limit of ours was changed; not the platform's fault
                raise
            if url is None or left is None or not with_files:
                return False
            result["outputs"] = []
            result["outputs_left_out"] = [*left.left_out[: MOST_LEFT_OUT - 1], LOST_ON_THE_WAY]
            left = None
        else:
            return True


def transfer(url: str, body: bytes | Delivery | None) -> bytes:
    """GET, or PUT of a body, tried again for about 12 s: a new container's network does not always come up at once."""
    import http.client
    import urllib.error
    import urllib.request

    problem = ""
    for pause in (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 0.0):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if isinstance(body, Delivery):
            body.rewind()
            headers["Content-Length"] = str(body.size())
        request = urllib.request.Request(url, data=body, headers=headers, method="GET" if body is None else "PUT")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # the URL is the runtime's, not the agent's
                received: bytes = answer.read()
                return received
        except urllib.error.HTTPError as error:
            problem = f"HTTP {error.code}"
            if error.code in (400, 401, 403, 404):  # a signature or an address does not get better
                break
        except (OSError, http.client.HTTPException) as error:
            problem = f"{type(error).__name__}: {error}"
        time.sleep(pause)
    # without the URL: it is a credential
    raise ContextUnavailable(f"{'GET' if body is None else 'PUT'} failed: {problem}")
