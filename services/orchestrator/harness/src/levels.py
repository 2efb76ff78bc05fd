"""The level of a line of output, by what its text says.

On the path of every line: so no regular expressions (importing `re` costs every test milliseconds), and what holds none
of the marks below is not looked at any closer.
"""

from __future__ import annotations

from services.orchestrator.harness.src.jsontext import from_json

WORDS = {
    **dict.fromkeys(("TRACE", "DEBUG"), "debug"),
    **dict.fromkeys(("INFO", "NOTICE", "SUCCESS"), "info"),
    **dict.fromkeys(("WARN", "WARNING"), "warning"),
    **dict.fromkeys(("ERROR", "SEVERE"), "error"),
    **dict.fromkeys(("FATAL", "CRITICAL", "EMERG", "EMERGENCY", "ALERT"), "critical"),
}
UNUSUAL = ("error", "warn", "debug", "trace", "fatal", "critical", "severe", "emerg", "alert")  # how words begin
USUAL = ("info", "notice", "success")
LONGER = {"warn": "warning", "emerg": "emergency"}
IN_ANY_CASE = frozenset(("DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL"))  # before a colon
IN_JSON = {**WORDS, "ERR": "error", "INFORMATION": "info", "DEFAULT": "info"}
LETTERS = {"D": "debug", "I": "info", "W": "warning", "E": "error", "C": "critical", "F": "critical"}
NUMBERS = {10: "debug", 20: "debug", 30: "info", 40: "warning", 50: "error", 60: "critical"}  # of pino and bunyan
KEYS = ("level", "levelname", "severity", "lvl", "log.level", "log_level", "severity_text", "@level")

# Text without any of these, in lower case, says nothing about a level beyond the usual one.
MARKS = (*UNUSUAL, "level", "lvl", "severity", '"err"', 'file "', "above exc", "] ")
BYTE_MARKS = tuple(mark.encode() for mark in MARKS)
HEAD = 160  # characters in which a level stands, if at all
TIMES = frozenset(
    (
        *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
        *("mon", "tue", "wed", "thu", "fri", "sat", "sun", "am", "pm", "utc", "gmt", "z", "t"),
    )
)
SHAPE = str.maketrans("123456789", "000000000")
MOST_SHAPES = 512
known_shapes: dict[tuple[str, str, str], bool] = {}


def says_nothing(data: bytes) -> bool:
    """Whether no line of this can have another level than the usual one: for many lines at once."""
    text = data.lower()
    return not any(mark in text for mark in BYTE_MARKS)


def level_of(text: str, default: str = "info") -> str:
    """The level that a line names in one of the usual formats; else the default."""
    head = text[:HEAD]
    if "\x1b" in head:
        head = without_escapes(text[: 2 * HEAD])[:HEAD]
    lower = head.lower()
    for mark in MARKS:
        if mark in lower:
            break
    else:
        return default
    head = head.lstrip()
    if head[:1] == "{" and head[1:].lstrip()[:1] == '"' and text.rstrip()[-1:] == "}":
        return _level_of_json(text) or default
    if head[:1] in LETTERS and head[1:5].isdigit():  # klog and glog: E0102 15:04:05.000000
        return LETTERS[head[0]] if head[0] in "IWEF" and _is_time(head.partition(" ")[2].partition(" ")[0]) else default
    if head[:1] == "[" and head[1:2] in LETTERS and head[2:3] == " " and head[3:4].isdigit():  # tornado, jupyter
        return LETTERS[head[1]]
    if "=" in head and (level := _level_of_pairs(head)):
        return level
    return _level_of_words(head, head.lower()) or default


def _level_of_words(head: str, lower: str) -> str:
    places = []
    for word in UNUSUAL:
        at = lower.find(word)
        while at >= 0:
            places.append((at, word))
            at = lower.find(word, at + 3)
    if not places:
        return ""
    # the usual ones end the search: what follows is the message
    places.extend((at, word) for word in USUAL if (at := lower.find(word)) >= 0)
    places.sort()
    for at, stem in places[:8]:
        longer = LONGER.get(stem)
        end = at + len(longer if longer and lower.startswith(longer, at) else stem)
        word = head[at:end]
        if _fits(word, head[:at], head[end:]):
            return WORDS[word.upper()]
    return _level_of_warning(head)


def _fits(word: str, before: str, after: str) -> bool:
    """As `_is_a_level`, which is asked once for each way in which a program writes its lines."""
    if before[-1:].isalnum() or before[-1:] in ("_", ".") or after[:1].isalnum() or after[:1] == "_":
        return False
    following = after.lstrip()[:2]
    if following[:1].isalnum():
        following = "x"
    shape = before.translate(SHAPE), word, after[:1] + following
    found = known_shapes.get(shape)
    if found is None:
        if len(known_shapes) >= MOST_SHAPES:
            known_shapes.clear()
        found = known_shapes[shape] = _is_a_level(word, before, after)
    return found


def _is_a_level(word: str, before: str, after: str) -> bool:
    """Whether this word, between what stands before and behind it, is where loggers write the level."""
    glued = after[:1] in "-=" and after[:1] and not after[1:2].isspace()
    if glued or after.lstrip()[:1] == "=":
        return False  # ERROR-free, DEBUG=1
    upper = word.isupper()
    first = before.lstrip()
    bracketed = before.rstrip()[-1:] in ("[", "<", "(") and after.lstrip()[:1] in ("]", ">", ")", "/")
    if not first.strip("[<(| "):
        if first:
            return bracketed or (upper and not first.strip("[| "))
        return upper or (after[:1] == ":" and word.upper() in IN_ANY_CASE)
    if before[-1:] in "-=" and not before[-2:-1].isspace():
        return False  # a part of something else
    names = _names_behind_the_time(before)
    between = _ends_a_field(before) and _begins_a_field(after)
    if names is None:  # a name, then the level: each of them ended by what does not end words of a sentence
        few = len(before.split()) <= 3
        return upper and few and ((bracketed and before.rstrip()[-1:] == "[") or (between and _is_one_name(before)))
    if upper:
        return names <= 1
    return bracketed or (between and names <= 1) or (names == 0 and after[:1] == ":")


def _ends_a_field(before: str) -> bool:
    return before[-1:] in (":", "\t") or before.rstrip()[-1:] == "|" or before[-3:] == " - "


def _begins_a_field(after: str) -> bool:
    return after[:1] in (":", "\t", "") or after.lstrip()[:1] == "|" or after.lstrip()[:2] == "- "


def _is_one_name(before: str) -> bool:
    """`my.agent - `, `my.agent:`, `web_1  | `."""
    return len(before.rstrip(" \t:|-").split()) == 1


def _names_behind_the_time(before: str) -> int | None:
    """How many words stand between a time at the beginning and here, without those in brackets and those that are a
    field of their own; None where the beginning is no time."""
    words = before.split()
    if not _is_time(words[0].strip("[<(")) and words[0].strip("[<(").lower() not in TIMES:
        return None
    names = 0
    depth = words[0][:1] in ("[", "(")
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ""
        opened = word[:1] in ("[", "(", "<")
        inside = depth or opened
        depth = inside and word.rstrip(":,")[-1:] not in ("]", ")", ">")
        if not (inside or _is_timely(word) or word in ("-", "|") or word[-1:] in ":|" or following in ("-", "|")):
            names += 1
    return names


def _is_time(word: str) -> bool:
    """2026-01-02, 03:04:05,123, 2026-01-02T03:04:05Z, 01/02/26, 1767322445.123."""
    if not word[:1].isdigit():
        return False
    whole = word.partition(".")[0]
    return (
        (word.count(":") >= 1 and word[1:2] != "")
        or word.count("-") >= 2
        or word.count("/") >= 2
        or (whole.isdigit() and len(whole) >= 9)
    )


def _is_timely(word: str) -> bool:
    word = word.strip("[]()<>:,;|+-")
    return word[:1].isdigit() or not word or word.lower() in TIMES


def _level_of_pairs(head: str) -> str:
    """logfmt: `time=... level=error msg=...`."""
    key, equals, _ = head.partition(" ")[0].partition("=")
    if not equals or not key.replace(".", "_").replace("@", "_").isidentifier():
        return ""
    for pair in head.split():
        key, _, value = pair.partition("=")
        if key in KEYS:
            return IN_JSON.get(value.strip("'\"").upper(), "")
    return ""


def _level_of_warning(head: str) -> str:
    """How `warnings` of a child process write: `file.py:3: UserWarning: text`."""
    place, _, rest = head.partition(": ")
    kind = rest.partition(":")[0]
    return "warning" if place.rpartition(":")[2].isdigit() and kind.endswith("Warning") and kind.isidentifier() else ""


def _level_of_json(text: str) -> str:
    if not any(key in text[: 16 * 1024] for key in ("level", "severity", "lvl")):
        return ""
    try:
        entry = from_json(text)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(entry, dict):
        return ""
    inner = entry.get("log", entry.get("record"))  # of the Elastic schema, of loguru
    for holder in (entry, inner) if isinstance(inner, dict) else (entry,):
        for key in KEYS:
            level = holder.get(key)
            if isinstance(level, dict):
                level = level.get("name")
            if isinstance(level, str):
                return IN_JSON.get(level.strip().upper(), "")
            if type(level) is int and "time" in holder:
                return NUMBERS.get(level, "")
    return ""


def without_escapes(text: str) -> str:
    """The text without colours and whatever else is said to a terminal."""
    pieces = text.split("\x1b")
    kept = [pieces[0]]
    for piece in pieces[1:]:
        if piece[:1] == "[":
            end = 1
            while end < len(piece) and not "@" <= piece[end] <= "~":
                end += 1
            kept.append(piece[end + 1 :])
        elif piece[:1] == "]":
            kept.append(piece.partition("\x07")[2])  # a link or a title; another end is an escape of its own
        else:
            kept.append(piece[1:])
    return "".join(kept)


class Levels:
    """The levels of the lines of one stream: a traceback is an error from its first line to its last."""

    def __init__(self, default: str = "info") -> None:
        self.default = default
        self.in_traceback = False

    def of(self, text: str) -> str:
        if "\x1b" in text:
            text = without_escapes(text)
        if self.in_traceback:
            return self._of_traceback(text)
        # Of a child process, or printed; what the agent's own Python writes comes with its level.
        if text[-34:].rstrip().endswith("Traceback (most recent call last):") or (
            text[:8] == '  File "' and '", line ' in text
        ):
            self.in_traceback = True
            return "error"
        if text[:11] in ("During hand", "The above e") and text.rstrip() in CHAINED:
            return "error"
        return level_of(text, self.default)

    def _of_traceback(self, text: str) -> str:
        plain = text.strip()
        if not plain:
            self.in_traceback = False
            return level_of(text, self.default)
        if text[:1] != " " or not plain.strip("+-"):  # the exception itself, or the lower edge of a group
            self.in_traceback = False
        return "error"


CHAINED = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
