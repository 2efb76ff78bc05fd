"""`GET /export/tests.csv` and `.json`: the tests of a filter as a file, page by page from the gateway.

Query: `filter` (a TestFilter as ProtoJSON) and `order` (such as TEST_ORDER_OLDEST).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any, Final

from fastapi import APIRouter
from google.protobuf import json_format
from starlette.requests import Request
from starlette.responses import Response

from assay.v1 import test_pb2, test_service_pb2, test_service_pb2_grpc
from services.console.errors import Problem, Violation
from services.console.files.attachment import attachment
from services.console.gateway import Gateway
from services.console.protojson import aside, from_protojson
from services.console.signin.session import Sessions

MOST: Final = 10_000
PAGE: Final = 100
MEDIA: Final = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
Page = Callable[[str], Any]


def routes(gateway: Gateway, sessions: Sessions) -> APIRouter:
    """The history as a file."""
    router = APIRouter()
    listing: Any = test_service_pb2_grpc.TestServiceStub(gateway.channel).ListTests

    @router.get("/export/tests.{form}")
    async def export(form: str, request: Request, filter: str = "{}", order: str = "") -> Response:  # noqa: A002 - its name in the API
        bearer = (await sessions.of(request)).bearer
        if form not in MEDIA:
            raise Problem("NOT_FOUND", f"Tests are exported as .{' or .'.join(MEDIA)}.")
        wanted = test_service_pb2.ListTestsRequest(
            page_size=PAGE,
            filter=from_protojson(test_service_pb2.TestFilter, filter),
            order=_order(order or "TEST_ORDER_UNSPECIFIED"),
            view=test_pb2.TEST_VIEW_BASIC,
        )

        async def page(token: str) -> Any:
            wanted.page_token = token
            return await gateway.ask(listing, wanted, bearer)

        shape = _csv if form == "csv" else _json
        return attachment(shape(await page(""), page), f"tests.{form}", media_type=MEDIA[form])

    return router


async def _pages(found: Any, page: Page) -> AsyncIterator[list[Any]]:
    """The tests of `found` and of the pages after it, at most MOST."""
    left = MOST
    while True:
        tests = list(found.tests)[:left]
        left -= len(tests)
        yield tests
        if not left or not found.next_page_token:
            return
        found = await page(found.next_page_token)


async def _json(found: Any, page: Page) -> AsyncGenerator[bytes, None]:
    between = "["
    async for tests in _pages(found, page):
        if tests:
            yield (between + await aside(len(tests) << 10, _objects, tests)).encode()
            between = ",\n"
    yield b"[]\n" if between == "[" else b"]\n"


async def _csv(found: Any, page: Page) -> AsyncGenerator[bytes, None]:
    yield ("\ufeff" + _rows([[name for name, _ in COLUMNS]])).encode()  # without the mark Excel reads no UTF-8
    async for tests in _pages(found, page):
        yield (await aside(len(tests) << 10, _tests, tests)).encode()


def _objects(tests: Sequence[Any]) -> str:
    return ",\n".join(
        json.dumps(json_format.MessageToDict(test), ensure_ascii=False, separators=(",", ":")) for test in tests
    )


def _tests(tests: Sequence[Any]) -> str:
    return _rows([[plain(value(test)) for _, value in COLUMNS] for test in tests])


def _rows(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def plain(value: object) -> str:
    """A cell that no spreadsheet takes for a formula: agents and their queries are strangers' words."""
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _time(name: str) -> Callable[[Any], object]:
    return lambda test: getattr(test.times, name).ToJsonString() if test.times.HasField(name) else None


def _seconds(name: str) -> Callable[[Any], object]:
    def value(test: Any) -> object:
        metrics = test.result.metrics
        return getattr(metrics, name).ToMicroseconds() / 1e6 if metrics.HasField(name) else None

    return value


COLUMNS: Final[Sequence[tuple[str, Callable[[Any], object]]]] = (
    ("id", lambda test: test.id),
    ("state", lambda test: test_pb2.TestState.Name(test.state).removeprefix("TEST_STATE_")),
    ("name", lambda test: test.spec.name),
    ("agent_id", lambda test: test.spec.agent_id),
    ("agent_name", lambda test: test.spec.agent_name),
    ("user_id", lambda test: test.user_id),
    ("provider", lambda test: test.spec.model.provider),
    ("model", lambda test: test.spec.model.model_id),
    ("failure_code", lambda test: test.failure.code),
    ("failure_message", lambda test: test.failure.message),
    ("submitted", _time("submit_time")),
    ("started", _time("run_start_time")),
    ("ended", _time("end_time")),
    ("queue_s", _seconds("queue_duration")),
    ("build_s", _seconds("build_duration")),
    ("run_s", _seconds("run_duration")),
    ("cpu_s", _seconds("cpu_time")),
    ("peak_memory_bytes", lambda test: test.result.metrics.peak_memory_bytes or None),
    ("cost_usd", lambda test: test.cost.total_usd if test.HasField("cost") else None),
    ("retry_of", lambda test: test.retry.retry_of),
    ("labels", lambda test: json.dumps(dict(sorted(test.spec.labels.items()))) if test.spec.labels else None),
)


def _order(name: str) -> Any:
    if name not in test_service_pb2.TestOrder.keys():  # noqa: SIM118 - no mapping, an enum of protobuf
        bad = Violation("order", f"must be one of {', '.join(test_service_pb2.TestOrder.keys())}")
        raise Problem("INVALID_ARGUMENT", bad.description, reason="INVALID_REQUEST", violations=[bad])
    return test_service_pb2.TestOrder.Value(name)
