"""Source as the checks see it: what `code_facts.py` found, with names and types."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Parameter(_Part):
    name: str
    kind: Literal["positional", "keyword", "args", "kwargs"]
    required: bool
    is_text: bool = True
    """Nothing says that it is a switch or a number."""

    @property
    def variadic(self) -> bool:
        return self.kind in {"args", "kwargs"}


class Name(_Part):
    """What a name of the file stands for once it is loaded."""

    kind: Literal["function", "class", "object", "data", "module", "imported", "unknown"]
    line: int
    sure: bool
    """It is bound whatever happens, and to this."""
    decorated: bool = False
    parameters: tuple[Parameter, ...] = ()
    answers: bool = True
    """It can return something else than None."""
    reads: tuple[str, ...] = ()
    input_line: int = 0
    made_of: str = ""
    """What was called for an object, such as dspy.Predict; the module of what is imported. Empty where that is not told
    by names."""
    members: tuple[str, ...] | None = None
    """Of a class: all that it has. None where it may have more."""

    @property
    def is_plain_function(self) -> bool:
        """What is called is what is written there."""
        return self.kind == "function" and self.sure and not self.decorated

    @property
    def signature(self) -> str:
        """Names and which of them may be left out, such as "(query, *, verbose=...)"."""
        shown: list[str] = []
        for one in self.parameters:
            if one.kind == "keyword" and "*" not in "".join(shown):
                shown.append("*")
            stars = {"args": "*", "kwargs": "**"}.get(one.kind, "")
            shown.append(f"{stars}{one.name}{'' if one.required or one.variadic else '=...'}")
        return f"({', '.join(shown)})"


class Import(_Part):
    module: str
    names: tuple[str, ...] = ()
    level: int = 0
    line: int
    how: Literal["always", "when_called", "maybe"]
    """Whether loading the file does it, a call may, or neither is certain (what fails is caught)."""


class Variable(_Part):
    """An environment variable without which loading the file raises KeyError."""

    name: str
    line: int


class Code(_Part):
    """The facts of one file."""

    names: dict[str, Name] = Field(default_factory=dict)
    main_line: int = 0
    """Where it looks whether it is run as a script; 0: nowhere."""
    imports: tuple[Import, ...] = ()
    opaque: bool = False
    """It may bind names in ways that cannot be read off."""
    input_line: int = 0
    """Where it waits for somebody to type while it is loaded; 0: nowhere."""
    environment: tuple[Variable, ...] = ()


class Looked(_Part):
    """What became of a look at source."""

    problem: str = ""
    facts: Code | None = None
    """Absent where there is a problem, and where it could not be looked at."""


class Table(_Part):
    """What a TOML text says, or why it cannot be read."""

    problem: str = ""
    values: dict[str, Any] = Field(default_factory=dict)


class SyntaxCheck(Protocol):
    """Looks whether code is valid Python, and what is in it (syntax.SyntaxChecker)."""

    async def look(self, code: str) -> Looked:
        """What is wrong with `code`, or what is in it; nothing where that could not be told in time."""
        ...

    async def problem(self, code: str) -> str | None:
        """What is wrong with `code`; None where nothing is, or where that could not be told in time."""
        ...

    async def toml(self, data: bytes) -> Table:
        """What a TOML text says; dates as text."""
        ...
