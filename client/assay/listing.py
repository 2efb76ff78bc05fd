"""Lists that the API answers page by page, and the SDK as one: of tests, packages, keys and dead letters."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import aclosing, closing
from typing import Any, Generic, Protocol, TypeVar

from assay.errors import BadAnswer

MOST_IN_PAGE = 100  # as the API has it
MOST_IN_VAIN = 8  # empty pages that do not get on, as from a server that gave up in the middle of a search
MOST_EMPTY = 100_000  # empty pages one after the other: the search of 40,000,000 tests that finds nothing has as many


class Paged(Protocol):
    """A page of a list; the token is empty on the last one."""

    @property
    def next_page_token(self) -> str: ...


P = TypeVar("P", bound=Paged)
T = TypeVar("T")


class _Cursor:
    """Where a list has got to: `request` asks for its next page, and is None after the last one or with enough."""

    def __init__(self, request: Any, limit: int | None) -> None:
        self.request, self._left = request, limit
        self._seen = {hash(request.page_token)}  # and not the tokens: a server may make them long
        self._in_vain = self._empty = 0
        self._size()

    def move(self, token: str, count: int) -> None:
        """The page was there, with so many things; `token` goes on after it. Raises BadAnswer where it does not go on:
        a list would never end."""
        if not token:
            self.request = None
            return
        self._empty = 0 if count else self._empty + 1
        if self._empty > MOST_EMPTY:
            raise BadAnswer.of("next_page_token", f"leads from one empty page to the next, {MOST_EMPTY:,} times")
        known = hash(token)
        if known in self._seen and count == 0 and self._in_vain < MOST_IN_VAIN:
            self._in_vain += 1
        elif known in self._seen:
            raise BadAnswer.of("next_page_token", "leads to a page that was there before")
        self._seen.add(known)
        self.request.page_token = token
        if self._left is not None:
            self._left -= count
        self._size()

    def _size(self) -> None:
        if self._left is None:
            return
        if self._left <= 0:
            self.request = None
        else:
            self.request.page_size = min(self._left, self.request.page_size or self._left, MOST_IN_PAGE)


class AsyncListing(Generic[P, T]):
    """Things of a list, fetched page by page as they are needed, and with a limit no more of them than that.

    Iterate over it, or over its `pages()`: the token of the last one goes on right after what was given."""

    def __init__(
        self,
        request: Callable[[], Any],
        fetch: Callable[[Any], Awaitable[P]],
        things: Callable[[P], Sequence[T]],
        limit: int | None,
    ) -> None:
        self._request, self._fetch, self._things, self._limit = request, fetch, things, limit

    async def pages(self) -> AsyncGenerator[P]:
        cursor = _Cursor(self._request(), self._limit)
        while cursor.request is not None:
            page = await self._fetch(cursor.request)
            cursor.move(page.next_page_token, len(self._things(page)))
            yield page

    async def __aiter__(self) -> AsyncGenerator[T]:
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                for thing in self._things(page):
                    yield thing


class Listing(Generic[P, T]):
    """As AsyncListing, for code without asyncio."""

    def __init__(
        self,
        request: Callable[[], Any],
        fetch: Callable[[Any], P],
        things: Callable[[P], Sequence[T]],
        limit: int | None,
    ) -> None:
        self._request, self._fetch, self._things, self._limit = request, fetch, things, limit

    def pages(self) -> Generator[P]:
        cursor = _Cursor(self._request(), self._limit)
        while cursor.request is not None:
            page = self._fetch(cursor.request)
            cursor.move(page.next_page_token, len(self._things(page)))
            yield page

    def __iter__(self) -> Generator[T]:
        with closing(self.pages()) as pages:
            for page in pages:
                yield from self._things(page)
