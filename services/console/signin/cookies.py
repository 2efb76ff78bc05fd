"""Cookies of the console: a sealed value in as many as it takes, since browsers keep 4,096 bytes in each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import Response

from services.console.settings import is_loopback

PIECE: Final = 3800
MOST: Final = 4
"""Pieces. Access and refresh tokens of the large services take two."""


class TooManyPieces(Exception):
    """The value does not fit into as many cookies as may be."""


def read(cookies: Mapping[str, str], name: str) -> str:
    """The value, put together. Empty where there is none."""
    value = cookies.get(name, "")
    for number in range(1, MOST):
        piece = cookies.get(f"{name}_{number}", "")
        if not piece or len(value) != number * PIECE:  # what an older, longer value has left is not part of it
            break
        value += piece
    return value


def write(response: Response, name: str, value: str, request: Request, *, seconds: int, path: str = "/") -> None:
    """Raises TooManyPieces."""
    pieces = [value[start : start + PIECE] for start in range(0, len(value), PIECE)]
    if len(pieces) > MOST:
        raise TooManyPieces
    for number, piece in enumerate(pieces):
        response.set_cookie(
            f"{name}_{number}" if number else name,
            piece,
            max_age=seconds,
            path=path,
            httponly=True,
            samesite="lax",
            secure=not is_loopback(URL(scope=request.scope).hostname or ""),
        )
    _remove(response, name, request, len(pieces), path)


def remove(response: Response, name: str, request: Request, *, path: str = "/") -> None:
    """All pieces that the browser has sent."""
    _remove(response, name, request, 0, path)


def _remove(response: Response, name: str, request: Request, first: int, path: str) -> None:
    for number in range(first, MOST):
        piece = f"{name}_{number}" if number else name
        if piece in request.cookies:
            response.delete_cookie(piece, path=path, httponly=True, samesite="lax")
