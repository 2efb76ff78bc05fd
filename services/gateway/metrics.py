"""What the gateway counts."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

RPCS: Final = Counter("assay_gateway_rpcs_total", "Calls that ended, by status", ["method", "code"])
RPC_SECONDS: Final = Histogram(
    "assay_gateway_rpc_seconds",
    "How long calls took that succeeded and are no streams",
    ["method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
STREAMS: Final = Gauge("assay_gateway_streams", "Streams open now", ["method"])
SUBMITTED: Final = Counter("assay_gateway_submitted_total", "Tests accepted and stored")
REFUSED: Final = Counter("assay_gateway_over_limit_total", "Tests refused because of a user's limit", ["limit"])
TURNED_AWAY: Final = Counter(
    "assay_gateway_turned_away_total",
    "Calls refused because too many are under way or keys are wrong: calls, calls_without_key, wrong_keys",
    ["limit"],
)
FOLLOWED: Final = Gauge("assay_gateway_followed_tests", "Tests followed now: one bus subscription each")
FOLLOWERS: Final = Gauge("assay_gateway_followers", "Streams that follow a test now")
DROPPED_BACK: Final = Counter(
    "assay_gateway_dropped_back_total", "How often a slow client was sent back to reading the store"
)
HEALED: Final = Counter(
    "assay_gateway_healed_total", "How often lines were read from the store because events were lost"
)
UNCHECKED: Final = Counter("assay_gateway_syntax_unchecked_total", "Agent code accepted without a syntax check in time")
PACKAGES_REQUESTED: Final = Counter(
    "assay_gateway_packages_requested_total", "Packages that were to be made, or made again"
)
JWKS_FETCHES: Final = Counter(
    "assay_gateway_jwks_fetches_total",
    "How often the keys of the sign-in service were fetched: done, failed",
    ["outcome"],
)
DEAD_LETTERS: Final = Gauge("assay_gateway_dead_letters", "Messages that no service could handle, waiting for somebody")
LETTERS_REPLAYED: Final = Counter("assay_gateway_dead_letters_replayed_total", "Dead letters sent again")
