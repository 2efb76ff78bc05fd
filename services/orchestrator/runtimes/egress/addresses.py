"""The addresses inside of a test's network namespace. Apart from the rules, for the keeper needs no more."""

from __future__ import annotations

from typing import Final

SUBNET: Final = "192.0.2.0/24"
"""Of the namespace itself: kept for documentation (RFC 5737), so nobody's intranet has it."""
NAME_SERVER: Final = "192.0.2.3"
"""slirp4netns answers there for the host's name servers."""
