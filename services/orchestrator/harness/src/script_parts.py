"""Whether a function is only a part of a script: of code that reads its command line or its input by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.binding import place_of
from services.orchestrator.harness.src.parameters import parameters_of
from services.orchestrator.harness.src.query_names import plain_name
from services.orchestrator.harness.src.relations import answers, code_behind, is_function, names_of_code

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


READS = frozenset(("argv", "input", "stdin", "parse_args", "parse_known_args"))
# What only somebody who asks has. A text or a message is what any function may take.
ASKED = ("query", "question", "prompt", "task", "problem", "objective", "goal", "instruction", "request", "utterance")


def reads_its_input(source: str) -> bool:
    """Whether a file has a word of the command line or of the input anywhere; a first look that costs nothing."""
    return any(word in source for word in ("argv", "input(", "stdin", "parse_args", "parse_known_args"))


def is_part_of_a_script(name: str, function: Any, module: ModuleType, source: str) -> bool:
    """Such as `slugify(text)` of a file that prints `"About " + slugify(sys.argv[1])`: a call of it would pass, and say
    nothing of what the script does."""
    if not reads_its_input(source):
        return False
    place = place_of(parameters_of(function))
    if isinstance(place, str):
        return False
    parameter = plain_name(place.parameter.name)
    if answers(function) and (parameter == "q" or any(word in parameter for word in ASKED)):
        return False
    try:
        waiting: list[Any] = [compile(source, "agent.py", "exec", dont_inherit=True)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    names = vars(module)
    main = names.get("main")
    if is_function(main) and main is not function:
        waiting.append(code_behind(main))
    seen: set[str] = set()
    reads = used = False
    functions = False
    while waiting:
        code = waiting.pop()
        if code is None:
            continue
        reads = reads or not READS.isdisjoint(code.co_names)
        for read in names_of_code(code, inside=functions):
            used = used or read == name
            if read not in seen and read != name and is_function(names.get(read)):
                waiting.append(code_behind(names[read]))
            seen.add(read)
        functions = True
    return reads and used
