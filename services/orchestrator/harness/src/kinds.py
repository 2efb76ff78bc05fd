"""What can be told of a value by its type alone: nothing that overrides attribute access is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.naming import attributes_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Unfit:
    """What a conversion gives back where it has nothing to say; the next one is tried."""


UNFIT = Unfit()


class Kind:
    """A type: the classes it is made of, and what they define."""

    def __init__(self, cls: type) -> None:
        line = [one for one in type.__dict__["__mro__"].__get__(cls) if one is not object]
        self.cls = cls
        self.classes = {(root_of(one), type.__dict__["__name__"].__get__(one)) for one in line}
        self.roots = {root for root, _ in self.classes}
        self.attributes = {name for one in line for name in type.__dict__["__dict__"].__get__(one)}


def root_of(cls: type) -> str:
    """The package that it comes from."""
    return module_of(cls).partition(".")[0]


def module_of(cls: type) -> str:
    module = type.__dict__["__module__"].__get__(cls)
    return module if isinstance(module, str) else ""


def is_a(package: str, *names: str) -> Callable[[Kind], bool]:
    """Of one of these classes of a package or made from one; without names: of anything of the package."""
    wanted = {(package, name) for name in names}
    if not names:
        return lambda kind: package in kind.roots
    return lambda kind: not wanted.isdisjoint(kind.classes)


def comes_from(*packages: str) -> Callable[[Kind], bool]:
    return lambda kind: not kind.roots.isdisjoint(packages)


def has(*attributes: str) -> Callable[[Kind], bool]:
    """Defines all of these, by itself or by what it is made from."""
    return lambda kind: kind.attributes.issuperset(attributes)


def part(value: Any, name: str) -> Any:
    """An attribute that an object really has, or UNFIT: objects that answer to every name are not believed."""
    if name in attributes_of(value):
        return getattr(value, name)
    line = type.__dict__["__mro__"].__get__(type(value))
    defined = [type.__dict__["__dict__"].__get__(one) for one in line]
    if any(name in one for one in defined):
        return getattr(value, name)
    if any("__pydantic_extra__" in one for one in defined) and name in (value.__pydantic_extra__ or ()):
        return getattr(value, name)
    return UNFIT


def at(value: Any, path: str) -> Any:
    """What lies there, or UNFIT: `choices.0.message.content`."""
    for name in path.split("."):
        if name.lstrip("-").isdigit():
            if not isinstance(value, (list, tuple)) or not value:
                return UNFIT
            value = value[int(name)]
        else:
            value = value.get(name, UNFIT) if type(value) is dict else part(value, name)
        if value is UNFIT or value is None:
            return UNFIT
    return value


def taken(path: str) -> tuple[str, Callable[[Any], Any]]:
    """What lies there, and how that is told."""
    return f".{path}", lambda value: at(value, path)


def said(path: str) -> tuple[str, Callable[[Any], Any]]:
    """As `taken`; a list of blocks as chat APIs have them becomes its text. Not where there are only calls of tools."""

    def say(value: Any) -> Any:
        found = words(at(value, path))
        return UNFIT if found == "" and at(value, "tool_calls") not in (UNFIT, [], ()) else found

    return f".{path}", say


def words(content: Any) -> Any:
    """The text of blocks; UNFIT where none has text. Anything else stays what it is."""
    if not isinstance(content, (list, tuple)) or not content:
        return UNFIT if isinstance(content, (list, tuple)) else content
    texts = [block if isinstance(block, str) else at(block, "text") for block in content]
    texts = [text for text in texts if isinstance(text, str)]
    return "".join(texts) if texts else UNFIT


def called(method: str) -> tuple[str, Callable[[Any], Any]]:
    """What this method gives, if that is anything, and how that is told."""

    def call(value: Any) -> Any:
        found = getattr(value, method)() if method in Kind(type(value)).attributes else None
        return UNFIT if found is None else found

    return method, call
