"""A call that is about to be made, and the refusal of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


class QueryNotAccepted(Exception):
    """The message has the signature, and what to write instead. `hint`: what to do, where that is not what is usual."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Plan:
    """One call: what is called with what, and how that reads. `unheard` tells after the call why the query has not
    arrived, where that shows only then; `command_line` is what sys.argv has during the call beside its file."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        *,
        call: str,
        query_passed: bool = True,
    ) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs or {}
        self.call = call
        self.query_passed = query_passed
        self.unheard: Callable[[], str] | None = None
        self.command_line: list[str] | None = None
