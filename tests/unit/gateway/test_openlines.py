"""What a client with a filter shows of open lines, whatever order words and lines come in and however often it comes
back: never one that has ended, nor one whose newest word its filter leaves out."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from assay.log_messages import partial_line
from assay.logs import LogStream, PartialLine, standing
from assay.v1 import log_pb2
from services.gateway.streams.loglines import Wanted
from services.gateway.streams.openlines import OpenLines
from shared.events.logs import PartialLine as Word

NUMBERS = {"stdout": log_pb2.LOG_STREAM_STDOUT, "stderr": log_pb2.LOG_STREAM_STDERR}
NAMES = {"stdout": LogStream.STDOUT, "stderr": LogStream.STDERR}
WANTED = [
    Wanted.of(0, [], "yes", match_case=False),
    Wanted.of(0, [log_pb2.LOG_STREAM_STDOUT], "yes", match_case=False),
]


class Story:
    """An output that grows, the gateway's stream of it, and a client that takes what it is told."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.lines: list[log_pb2.LogLine] = []
        self.newest: dict[str, str] = {}
        self.shown: dict[LogStream, PartialLine] = {}
        self.has = 0
        """The last line that the client got."""
        self.come_back()

    def says(self, stream: str, text: str) -> None:
        self.newest[stream] = text
        self.open.hear(
            [Word.model_validate({"ts": 0, "stream": stream, "level": "info", "text": text, "after": len(self.lines)})]
        )

    def ends(self, stream: str, text: str) -> None:
        self.newest.pop(stream, None)
        self.lines.append(log_pb2.LogLine(seq=len(self.lines) + 1, stream=NUMBERS[stream], text=text))

    def come_back(self) -> None:
        self.open = OpenLines(self.wanted, asked_for=True)
        self.read = self.has
        # A word that came while nobody listened is not said again.
        self.unheard = set(self.newest)

    def tell(self) -> None:
        for line in self.lines[self.read :]:
            self.open.passed([line])
            if self.wanted.takes(line):
                self.has = line.seq
                self.shown.pop(next(NAMES[name] for name in NAMES if NUMBERS[name] == line.stream), None)
        self.read = len(self.lines)
        for message in self.open.told(self.read):
            self.shown = standing(self.shown, partial_line(message))


STREAM, TEXT = st.sampled_from(["stdout", "stderr"]), st.sampled_from(["yes", "no"])
STEPS = st.one_of(
    st.tuples(st.just("says"), STREAM, TEXT),
    st.tuples(st.just("ends"), STREAM, TEXT),
    st.just(("tell",)),
    st.just(("come_back",)),
)


NO, YES, TELL, COME_BACK = ("ends", "stdout", "no"), ("ends", "stdout", "yes"), ("tell",), ("come_back",)
SAYS_YES = ("says", "stdout", "yes")
OVERTAKEN = [SAYS_YES, TELL, ("says", "stdout", "no"), ("ends", "stderr", "yes"), TELL]
ENDED_WHILE_AWAY = [YES, TELL, NO, SAYS_YES, TELL, NO, COME_BACK]
ENDED_AFTER_COMING_BACK = [NO, SAYS_YES, TELL, COME_BACK, NO, TELL]


@settings(max_examples=500)
@given(wanted=st.sampled_from(WANTED), steps=st.lists(STEPS, max_size=14))
@example(wanted=WANTED[0], steps=OVERTAKEN)
@example(wanted=WANTED[0], steps=ENDED_WHILE_AWAY)
@example(wanted=WANTED[0], steps=ENDED_AFTER_COMING_BACK)
def test_no_open_line_stands_that_has_ended_or_says_what_is_left_out(
    wanted: Wanted, steps: list[tuple[str, ...]]
) -> None:
    story = Story(wanted)
    for name, *arguments in [*steps, TELL]:
        getattr(story, name)(*arguments)
        if name == "says":
            story.unheard.discard(arguments[0])
        if name in {"tell", "come_back"}:
            story.tell()
            for stream, shown_as in NAMES.items():
                if shown_as in story.shown and stream not in story.unheard:
                    assert story.newest.get(stream) == "yes", (stream, story.shown)


def test_one_that_stands_and_fits_is_shown_also_after_coming_back() -> None:
    story = Story(WANTED[0])
    for stream in NAMES:
        story.ends(stream, "no")
        story.says(stream, "yes")
        story.tell()
    assert [one.text for one in story.shown.values()] == ["yes", "yes"]
    story.come_back()
    story.tell()
    assert [one.text for one in story.shown.values()] == ["yes", "yes"]
