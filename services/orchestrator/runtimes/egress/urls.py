"""Where http addresses lead to: of models, and of what packages are installed from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from shared.domain.destinations import Destination, parse

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def of_urls(values: Iterable[str]) -> tuple[Destination, ...]:
    """The hosts of the addresses among these values: what an operator's settings for installing point to."""
    found: dict[Destination, None] = {}
    for value in values:
        for word in value.split():
            destination = of_url(word)
            if destination is not None:
                found[destination] = None
    return tuple(found)


def of_url(text: str) -> Destination | None:
    """Where an http address leads to; None for everything else."""
    try:
        address = urlsplit(text)
        port = address.port or _DEFAULT_PORTS.get(address.scheme)
        if address.scheme not in _DEFAULT_PORTS or not address.hostname or port is None:
            return None
        return parse(f"{address.hostname}:{port}")
    except ValueError:  # also BadDestination: an IPv6 address
        return None
