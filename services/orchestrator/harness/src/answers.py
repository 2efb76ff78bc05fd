"""From what an agent returns to JSON: nothing of it is thrown away, and what is not plain JSON is noted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.conversion_notes import HALF, NESTED, REFUSAL, Note, Notes, named, unwarned
from services.orchestrator.harness.src.conversions import Fields, conversions_for, without_items_told_twice
from services.orchestrator.harness.src.fitting import fitted, json_size
from services.orchestrator.harness.src.jsontext import NotJson, to_json
from services.orchestrator.harness.src.kinds import UNFIT
from services.orchestrator.harness.src.pending_values import Collected, all_awaited
from services.orchestrator.harness.src.table_values import Each, EachOfAStream, Later
from services.orchestrator.harness.src.time_budget import TimeBudget, TooSlow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

MAX_DEPTH = 64  # of an answer: document stores and protobuf stop at 100
MOST_ITEMS = 600_000  # of an iteration whose end is not known: more than 1 MiB holds
FOREVER = float("inf")  # for what may wait as long as there is time at all
ROOM = 32 << 20  # characters that are looked at before an answer is cut: a bound on memory and time
COST_OF_A_NOTE = 150  # conversions take longer
MANY = 1000
MAX_KEY = 10_000  # characters
COST = 20  # of a value beside its text: all that fits into 1 MiB of JSON has room
DIGITS = 4300  # more int() does not read back
HUGE_BITS = 14_285  # of 10**DIGITS; not the number itself, which nobody could print who looks at our memory


class TooLarge(Exception):
    """The answer has more bytes as JSON than are kept, and is not to be cut."""


class Answering:
    """One answer on its way to JSON. With `strict` it raises NotJson instead of converting.

    `loop`: an AgentLoop, in which coroutines are completed; without it they are only named. `seconds`: what there is
    time for, as TimeBudget has it."""

    def __init__(self, *, strict: bool = False, loop: Any = None, seconds: float | None = None) -> None:
        self.strict = strict
        self.loop = loop
        self.budget = TimeBudget(seconds)
        self._too_slow: set[type] = set()  # are not asked again
        self.room = ROOM
        self._notes = Notes(strict=strict)
        self._above: set[int] = set()  # what the value lies in

    def json(self, value: object, limit: int) -> Any:
        """Plain data of at most `limit` bytes as JSON. Raises NotJson and TooLarge where it is strict."""
        self.budget.watch()
        try:
            plain = unwarned(lambda: self.plain(value))
        except (RecursionError, MemoryError):
            plain = self._as_repr(value, ())
        finally:
            self.budget.stop()
        size = json_size(plain)
        if size > limit:
            if self.strict:
                raise TooLarge(f"The answer has {size:,} bytes as JSON; {limit:,} are allowed.")
            plain, cuts = fitted(plain, limit)
            for path, kind, how in cuts:
                self._notes.keep(Note(f"answer{path}", kind, how, ""), path)
        return plain

    def notes(self) -> list[dict[str, str]]:
        return self._notes.told()

    def take_notes(self, other: Answering) -> None:
        """As if the other's values had been ours. Raises NotJson where we are strict."""
        self._notes.take(other._notes)

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
                self.note(place, kind, f"the mark [{mark}]", NESTED)
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
        if kind is Each:
            return self._each(value.values, value.total, place)
        for how, convert in conversions_for(kind) if kind not in self._too_slow else ():
            try:
                made = self._begun(self.budget.ask(convert, value))
            except TooSlow:
                self._too_slow.add(kind)
                break
            except BaseException:  # foreign objects may do anything when asked: the next line of the table is tried
                continue
            if made is UNFIT or made is value:
                continue
            self.note(place, kind, how)
            return self._made(made, place)
        if kind in self._too_slow:
            self.note(place, kind, "a mark: it took too long")
            return f"[{named(kind)}: took too long]"
        if issubclass(kind, dict):
            return self._object(value, place, attributes=False)
        if issubclass(kind, list):
            return self._list(list.__getitem__(value, slice(None)), place)
        if issubclass(kind, tuple):
            return self._list(tuple.__getitem__(value, slice(None)), place)
        return self._as_repr(value, place)

    def _begun(self, made: Any) -> Any:
        """What can be converted at once: values that are waited for are there, iterations have begun."""
        if type(made) is Later and self.strict:
            return ""  # it is refused, and is there for the log
        if type(made) is Later:
            try:
                return self.budget.ask(made.get, self.loop, most=FOREVER)
            except TooSlow:
                raise
            except BaseException as error:
                return f"[ended with {named(type(error))}]"
        if type(made) is EachOfAStream and self.loop is None:
            return UNFIT
        return Each(iter(made.values), made.total) if type(made) is Each else made

    def _made(self, made: Any, place: tuple[Any, ...]) -> Any:
        if type(made) is Each:
            return self._each(made.values, made.total, place)  # type: ignore[arg-type]
        if type(made) is EachOfAStream:
            return self._each_of_a_stream(made.values, place)
        plain = self.plain(made, place)
        return without_items_told_twice(plain) if type(made) is Fields else plain

    def _as_repr(self, value: object, place: tuple[Any, ...]) -> str:
        self.note(place, type(value), "repr")
        try:
            return self._text(str.__str__(self.budget.ask(repr, value)), place)
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
                self.note(place, str, f"cut: a key of {len(name):,} characters", "{where} has a key that is too long")
                name = f"{name[:MAX_KEY]} [cut: {MAX_KEY:,} of {len(name):,} characters]"
            if name in found:
                self.note(place, type(key), "a name of its own for a key that is there twice as text")
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
        while self.room >= least and len(found) < MOST_ITEMS:
            try:
                item = self.budget.ask(next, iterator, most=FOREVER)
            except TooSlow:
                return [*found, self._late(place)]
            except StopIteration:
                if total is not None and total > len(found):
                    found.append(self._cut(place, list, total - len(found)))
                return found
            except BaseException as error:
                return [*found, self._broken(place, error)]
            found.append(self.plain(item, (place, len(found), False)))
        found.append(self._cut(place, list, None))
        return found

    def _each_of_a_stream(self, values: Any, place: tuple[Any, ...]) -> list[Any]:
        """As `_each`, in the agent's loop."""
        found: list[Any] = []
        least = self._least(None)
        loop, self.loop = self.loop, None  # it is running then, and cannot complete what is deeper inside

        async def gather() -> None:
            async for item in values:
                found.append(self.plain(await all_awaited(item), (place, len(found), False)))
                if self.room < least or len(found) >= MOST_ITEMS:
                    found.append(self._cut(place, list, None))
                    return

        try:
            self.budget.ask(loop.complete, gather(), most=FOREVER)
        except TooSlow:
            found.append(self._late(place))
        except NotJson:
            raise
        except BaseException as error:
            found.append(self._broken(place, error))
        finally:
            self.loop = loop
        return found

    def _late(self, place: tuple[Any, ...]) -> str:
        self.note(place, list, "cut: it took too long", "{where} takes too long")
        return "[cut: it took too long]"

    def _broken(self, place: tuple[Any, ...], error: BaseException) -> str:
        self.note(place, type(error), "a mark: the iteration ended with it")
        return f"[ended with {named(type(error))}]"

    def _cut(self, place: tuple[Any, ...], kind: type, more: int | None) -> str:
        self.note(place, kind, "cut", "{where} has more than is kept")
        return f"[cut: {more:,} more]" if more is not None else "[cut: there is more]"

    def _text(self, value: str, place: tuple[Any, ...]) -> str:
        if len(value) > ROOM:
            self.note(place, str, f"cut: {ROOM:,} of {len(value):,} characters", "{where} has more than is kept")
            value = value[:ROOM]
        self.room -= len(value) + COST
        if not value.isascii():
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:
                self.note(place, str, "Unicode, with U+FFFD for half a surrogate pair", HALF)
                return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return value

    def _integer(self, value: int, place: tuple[Any, ...]) -> int | str:
        self.room -= COST
        if value.bit_length() < HUGE_BITS or -(10**DIGITS) < value < 10**DIGITS:
            return value
        self.note(place, int, "hex", "{where} is an integer of more than 4300 digits")
        return self._text(hex(value), place)

    def _number(self, value: float, place: tuple[Any, ...]) -> float | None:
        self.room -= COST
        if value == value and value not in (float("inf"), float("-inf")):
            return value
        self.note(place, float, f"null for {value!r}", f"{{where}} is {value!r}: JSON has no such number")
        return None

    def _key(self, key: Any, place: tuple[Any, ...]) -> str:
        kind = type(key)
        if issubclass(kind, str):
            return self._text(str.__str__(key), place)
        self.note(place, kind, "text for a key", "{where} has a key of type {kind}: JSON has only text there")
        aside = Answering()
        aside.room, aside.budget = 1000, self.budget
        plain = aside.plain(key)
        if plain is None and key is not None:
            return str(key)  # not a number
        return plain if isinstance(plain, str) else to_json(plain)

    def note(self, place: tuple[Any, ...], kind: type, how: str, refusal: str = REFUSAL) -> None:
        """Raises NotJson where it is strict."""
        self.room -= COST_OF_A_NOTE
        self._notes.add(place, kind, how, refusal)
