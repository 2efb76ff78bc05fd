"""From what an agent returns to JSON: nothing of it is thrown away, and what is not plain JSON is noted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.conversion_notes import Note, named, unwarned, written
from services.orchestrator.harness.src.conversions import Fields, conversions_for
from services.orchestrator.harness.src.fitting import fitted, json_size
from services.orchestrator.harness.src.jsontext import NotJson, to_json
from services.orchestrator.harness.src.kinds import UNFIT
from services.orchestrator.harness.src.table_values import Each

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

MAX_DEPTH = 64  # of an answer: document stores and protobuf stop at 100
MAX_NOTES = 100
ROOM = 32 << 20  # characters that are looked at before an answer is cut: a bound on memory and time
COST_OF_A_NOTE = 150  # conversions take longer
MANY = 1000
MAX_KEY = 10_000  # characters
COST = 20  # of a value beside its text: all that fits into 1 MiB of JSON has room
NESTED = "The answer is nested more than 64 levels deep, or contains itself, at {where}"
HALF = "{where} holds half a surrogate pair: not Unicode text"
DIGITS = 4300  # more int() does not read back
HUGE_BITS = 14_285  # of 10**DIGITS; not the number itself, which nobody could print who looks at our memory


class TooLarge(Exception):
    """The answer has more bytes as JSON than are kept, and is not to be cut."""


class Answering:
    """One answer on its way to JSON. With `strict` it raises NotJson instead of converting."""

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.room = ROOM
        self._notes: dict[tuple[str, str, str], Note] = {}  # by a path in which all places of a list are one
        self._unlisted = 0
        self._above: set[int] = set()  # what the value lies in

    def json(self, value: object, limit: int) -> Any:
        """Plain data of at most `limit` bytes as JSON. Raises NotJson and TooLarge where it is strict."""
        try:
            plain = unwarned(lambda: self.plain(value))
        except (RecursionError, MemoryError):
            plain = self._as_repr(value, ())
        size = json_size(plain)
        if size > limit:
            if self.strict:
                raise TooLarge(f"The answer has {size:,} bytes as JSON; {limit:,} are allowed.")
            plain, cuts = fitted(plain, limit)
            for path, kind, how in cuts:
                self._add(Note(f"answer{path}", kind, how, ""), path)
        return plain

    def notes(self) -> list[dict[str, str]]:
        """At most 100 of them, the last one being how many there are beside."""
        told = [
            {"path": note.path, "type": note.kind, "how": note.how + (f", and {note.more:,} more" if note.more else "")}
            for note in self._notes.values()
        ]
        if self._unlisted:
            told.append({"path": "answer", "type": "", "how": f"{self._unlisted:,} more conversions, not listed"})
        return told

    def take_notes(self, other: Answering) -> None:
        """As if the other's values had been ours. Raises NotJson where we are strict."""
        for (general, _, _), note in other._notes.items():
            if self.strict:
                raise NotJson(note.refusal)
            self._add(note, general)
        self._unlisted += other._unlisted

    def plain(self, value: Any, place: tuple[Any, ...] = ()) -> Any:
        """The value as plain JSON data. Raises NotJson where it is strict.

        `place`: the place around it, its key there, whether that is an attribute; () is the answer itself."""
        kind = type(value)
        if value is None or value is True or value is False:
            self.room -= COST
            return value
        if issubclass(kind, str):
            return self._text(str.__str__(value), place)
        if issubclass(kind, int):
            return self._integer(int.__int__(value), place)
        if issubclass(kind, float):
            return self._number(float.__float__(value), place)
        for bad, mark in ((id(value) in self._above, "cycle"), (len(self._above) >= MAX_DEPTH, "nested too deep")):
            if bad:
                self._note(place, kind, f"the mark [{mark}]", NESTED)
                self.room -= len(mark)
                return f"[{mark}]"
        self._above.add(id(value))
        try:
            self.room -= 2 * COST
            if kind is dict or kind is Fields:
                return self._object(value, place, attributes=kind is Fields)
            if kind is list or kind is tuple:
                return self._list(value, place)
            return self._converted(value, kind, place)
        finally:
            self._above.discard(id(value))

    def _converted(self, value: Any, kind: type, place: tuple[Any, ...]) -> Any:
        if kind is Collected:
            self.take_notes(value.answering)
            return value.plain
        for how, convert in conversions_for(kind):
            try:
                made = convert(value)
                iterator = iter(made.values) if type(made) is Each else None
            except BaseException:  # foreign objects may do anything when asked: the next line of the table is tried
                continue
            if made is UNFIT or made is value:
                continue
            self._note(place, kind, how)
            if iterator is not None:
                return self._each(iterator, made.total, place)
            return self.plain(made, place)
        if issubclass(kind, dict):
            return self._object(value, place, attributes=False)
        if issubclass(kind, list):
            return self._list(list.__getitem__(value, slice(None)), place)
        if issubclass(kind, tuple):
            return self._list(tuple.__getitem__(value, slice(None)), place)
        return self._as_repr(value, place)

    def _as_repr(self, value: object, place: tuple[Any, ...]) -> str:
        self._note(place, type(value), "repr")
        try:
            return self._text(str.__str__(repr(value)), place)
        except BaseException:
            return f"<unrepresentable {named(type(value))}>"

    def _object(self, value: dict[Any, Any], place: tuple[Any, ...], *, attributes: bool) -> dict[str, Any]:
        found: dict[str, Any] = {}
        pairs = list(dict.items(value))
        least = self._least(len(pairs))
        for key, item in pairs:
            if self.room < least:
                found["[cut]"] = self._cut(place, type(value), len(pairs) - len(found))
                break
            name = key if type(key) is str and key.isascii() else self._key(key, place)
            if len(name) > MAX_KEY:
                self._note(place, str, f"cut: a key of {len(name):,} characters", "{where} has a key that is too long")
                name = f"{name[:MAX_KEY]} [cut: {MAX_KEY:,} of {len(name):,} characters]"
            if name in found:
                self._note(place, type(key), "a name of its own for a key that is there twice as text")
                while name in found:
                    name = f"{name} ({named(type(key))})"
            self.room -= len(name) + 4
            found[name] = self.plain(item, (place, name, attributes))
        return found

    def _list(self, value: Sequence[Any], place: tuple[Any, ...]) -> list[Any]:
        found: list[Any] = []
        least = self._least(len(value))
        for item in value:
            if self.room < least:
                found.append(self._cut(place, list, len(value) - len(found)))
                break
            found.append(self.plain(item, (place, len(found), False)))
        return found

    def _least(self, count: int | None) -> int:
        """What has to be left of the room: of many values none takes all of it from what stands behind them."""
        return self.room // 2 if count is None or count > MANY else 0

    def _each(self, iterator: Iterator[Any], total: int | None, place: tuple[Any, ...]) -> list[Any]:
        """As a list; what comes before an iteration breaks is kept."""
        found: list[Any] = []
        least = self._least(None)
        while self.room >= least:
            try:
                item = next(iterator)
            except StopIteration:
                if total is not None and total > len(found):
                    found.append(self._cut(place, list, total - len(found)))
                return found
            except BaseException as error:
                self._note(place, type(error), "a mark: the iteration ended with it")
                found.append(f"[ended with {named(type(error))}]")
                return found
            found.append(self.plain(item, (place, len(found), False)))
        found.append(self._cut(place, list, None))
        return found

    def _cut(self, place: tuple[Any, ...], kind: type, more: int | None) -> str:
        self._note(place, kind, "cut", "{where} has more than is kept")
        return f"[cut: {more:,} more]" if more is not None else "[cut: there is more]"

    def _text(self, value: str, place: tuple[Any, ...]) -> str:
        if len(value) > ROOM:
            self._note(place, str, f"cut: {ROOM:,} of {len(value):,} characters", "{where} has more than is kept")
            value = value[:ROOM]
        self.room -= len(value) + COST
        if not value.isascii():
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:
                self._note(place, str, "Unicode, with U+FFFD for half a surrogate pair", HALF)
                return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return value

    def _integer(self, value: int, place: tuple[Any, ...]) -> int | str:
        self.room -= COST
        if value.bit_length() < HUGE_BITS or -(10**DIGITS) < value < 10**DIGITS:
            return value
        self._note(place, int, "hex", "{where} is an integer of more than 4300 digits")
        return self._text(hex(value), place)

    def _number(self, value: float, place: tuple[Any, ...]) -> float | None:
        self.room -= COST
        if value == value and value not in (float("inf"), float("-inf")):
            return value
        self._note(place, float, f"null for {value!r}", f"{{where}} is {value!r}: JSON has no such number")
        return None

    def _key(self, key: Any, place: tuple[Any, ...]) -> str:
        kind = type(key)
        if issubclass(kind, str):
            return self._text(str.__str__(key), place)
        self._note(place, kind, "text for a key", "{where} has a key of type {kind}: JSON has only text there")
        aside = Answering()
        aside.room = 1000
        plain = aside.plain(key)
        if plain is None and key is not None:
            return str(key)  # not a number
        return plain if isinstance(plain, str) else to_json(plain)

    def _note(
        self,
        place: tuple[Any, ...],
        kind: type,
        how: str,
        refusal: str = "{where} is a {kind}: not something that JSON can hold",
    ) -> None:
        self.room -= COST_OF_A_NOTE
        general, name = written(place, general=True), named(kind)
        alike = None if self.strict else self._notes.get((general, name, how))
        if alike is not None:
            alike.more += 1
        elif len(self._notes) >= MAX_NOTES - 1 and not self.strict:
            self._unlisted += 1
        else:
            path = written(place)
            refused = refusal.format(where=path, kind=name) + "."
            if self.strict:
                raise NotJson(refused)
            self._notes[general, name, how] = Note(path, name, how, refused)

    def _add(self, note: Note, general: str) -> None:
        alike = self._notes.get((general, note.kind, note.how))
        if alike is not None:
            alike.more += 1 + note.more
        elif len(self._notes) < MAX_NOTES - 1:
            self._notes[general, note.kind, note.how] = note
        else:
            self._unlisted += 1 + note.more


class Collected:
    """What an agent gave piece by piece: as plain data already, with the notes on it."""

    def __init__(self, plain: object, answering: Answering, usage: object = None) -> None:
        self.plain = plain
        self.answering = answering
        self.usage = usage  # what the last piece that knew said of tokens
