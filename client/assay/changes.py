"""Tests that change, as the SDK tells them. Owns what holds over lost connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from assay import translate
from assay.tests import Test
from assay.v1 import test_service_pb2 as pb


class WatchOptions(TypedDict, total=False):
    """Which tests are watched: of an agent, with labels (an empty value: the label exists). user_id: only admins may
    name others. own: for admins, only their own."""

    agent_id: str
    labels: Mapping[str, str]
    user_id: str
    own: bool


@dataclass(frozen=True, slots=True)
class TestChanges:
    """Tests as they stand now that are new or have changed; with `more` others have, too: read the list again."""

    __test__ = False

    tests: tuple[Test, ...]
    more: bool


class Told:
    """What a watch has told so far: a connection begins with an empty message, and before that some may be missed."""

    def __init__(self) -> None:
        self._begun = False

    def take(self, message: pb.WatchTestsResponse) -> TestChanges:
        """The first change is empty; the one that begins a further connection says that more has changed."""
        begins = not message.tests and not message.more
        more = message.more or (begins and self._begun)
        self._begun = True
        return TestChanges(tuple(translate.test(test) for test in message.tests), more)


def request(options: WatchOptions) -> pb.WatchTestsRequest:
    return pb.WatchTestsRequest(filter=pb.TestFilter(**options))
