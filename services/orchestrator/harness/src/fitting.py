"""Cuts plain data to a size as JSON: the longest texts first, then what stands last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.jsontext import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

SHORTEST = 1000  # bytes that a text keeps before lists and objects are cut
MARK = 80  # bytes that a mark may have


def json_size(value: object) -> int:
    """Bytes as JSON in UTF-8."""
    if type(value) is int:  # of which lists may have very many
        return len(int.__repr__(value))
    return len(to_json(value).encode("utf-8"))


def fitted(value: Any, limit: int) -> tuple[Any, list[tuple[str, str, str]]]:
    """The value with marks where something is cut, and what was cut: where in the answer, of which type, what was done.

    `limit`: bytes, some hundreds at least."""
    cuts: list[tuple[str, str, str]] = []
    sizes = sorted(sizes_of_texts(value), reverse=True)
    longest = longest_text(sizes, json_size(value) - limit)
    if sizes and sizes[0] > longest + MARK:
        value = with_shorter_texts(value, longest, "", cuts)
    if json_size(value) > limit:
        value = beginning_of(value, limit, "", cuts)
    return value, cuts


def sizes_of_texts(value: Any) -> Iterator[int]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield json_size(one)
        elif isinstance(one, (list, dict)):
            waiting.extend(one.values() if isinstance(one, dict) else one)


def longest_text(sizes: list[int], excess: int) -> int:
    """How many bytes a text may have so that cutting the longer ones saves so many."""
    above = 0
    for count, size in enumerate(sizes, 1):
        above += size
        each = (above - excess) // count - MARK
        if each < SHORTEST:
            continue
        if count == len(sizes) or each >= sizes[count]:
            return each
    return SHORTEST


def with_shorter_texts(value: Any, longest: int, path: str, cuts: list[tuple[str, str, str]]) -> Any:
    if isinstance(value, str):
        return shortened(value, longest, path, cuts) if json_size(value) > longest + MARK else value
    if isinstance(value, list):
        return [with_shorter_texts(item, longest, f"{path}[{index}]", cuts) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: with_shorter_texts(item, longest, f"{path}[{key!r:.80}]", cuts) for key, item in value.items()}
    return value


def shortened(text: str, limit: int, path: str, cuts: list[tuple[str, str, str]]) -> str:
    kept = text[:limit]
    while kept and (size := json_size(kept)) > limit:  # what is longer than the average may stand at the beginning
        kept = kept[: min(len(kept) - 1, len(kept) * limit // size)]
    cuts.append((path, "str", f"cut: {len(kept):,} of {len(text):,} characters"))
    return f"{kept} [cut: {len(kept):,} of {len(text):,} characters]"


def beginning_of(value: Any, room: int, path: str, cuts: list[tuple[str, str, str]]) -> Any:
    """As much of it as has room: of few items a fair share of each, of many those at the beginning."""
    if isinstance(value, str):
        return shortened(value, max(1, room - MARK), path, cuts)
    if not isinstance(value, (list, dict)):
        return value
    by_name = isinstance(value, dict)
    left = room - 2 - MARK
    sizes = [json_size(item) + (json_size(key) + 2 if by_name else 1) for key, item in _items(value)]
    share = _share(sizes, left)
    kept: list[tuple[Any, Any]] = []
    for (key, item), size in zip(_items(value), sizes):  # noqa: B905 - Python 3.9 knows no `strict`
        allowed = left if share is None else share
        if size > allowed and (allowed < 4 * MARK or not isinstance(item, (str, list, dict))):
            if by_name:
                continue
            break
        if size > allowed:
            where = f"{path}[{key!r:.80}]"
            item = beginning_of(item, allowed - (json_size(key) + 2 if by_name else 1), where, cuts)
            size = allowed
        kept.append((key, item))
        left -= size
    more = len(value) - len(kept)
    if more:
        kept.append(("[cut]", f"[cut: {more:,} more]"))
        cuts.append((path, type(value).__name__, f"cut: {len(value) - more:,} of {len(value):,}"))
    return dict(kept) if by_name else [item for _, item in kept]


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    yield from value.items() if isinstance(value, dict) else enumerate(value)


def _share(sizes: list[int], room: int) -> int | None:
    """How much each of the large items may have, so that all go in; None where that would be little."""
    above = sum(sizes)
    for rank, size in enumerate(sorted(sizes)):
        each = (room - (sum(sizes) - above)) // (len(sizes) - rank)
        if each < size:
            return each if each >= SHORTEST else None
        above -= size
    return None
