import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.gateway.submission.syntax import CRASHED, SyntaxChecker


@pytest_asyncio.fixture
async def checker() -> AsyncIterator[SyntaxChecker]:
    checker = SyntaxChecker()
    try:
        yield checker
    finally:
        await checker.aclose()


async def test_valid_code_has_no_problem(checker: SyntaxChecker) -> None:
    assert await checker.problem("async def run(q):\n    return [x async for x in q]\n") is None


@pytest.mark.parametrize("coding", ["latin-1", "utf-16", "nonsense"])
async def test_a_declared_encoding_means_nothing_to_text(checker: SyntaxChecker, coding: str) -> None:
    assert await checker.problem(f"# -*- coding: {coding} -*-\nx = 'ä'\n") is None


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param("def run(:\n    pass", "line 1: ", id="invalid"),
        pytest.param("x = 1\n  y = 2\n", "line 2: unexpected indent", id="indentation"),
        pytest.param("return 1", "line 1: 'return' outside function", id="return outside"),
        pytest.param("(" * 5000 + ")" * 5000, "too many nested parentheses", id="parentheses"),
        pytest.param("-" * 200_000 + "1", "nested too deeply", id="signs"),
        pytest.param("+".join(["1"] * 100_000), "nested too deeply", id="long sum"),
        pytest.param("a" + ".b" * 100_000, "nested too deeply", id="long chain"),
        pytest.param("x = " + "9" * 250_000, "is not valid Python", id="long number"),
        pytest.param("x = 1\0", "null", id="NUL"),
    ],
)
async def test_what_is_wrong_is_told_with_its_line(checker: SyntaxChecker, code: str, words: str) -> None:
    problem = await checker.problem(code)
    assert problem is not None
    assert words in problem
    assert "\n" not in problem
    assert await checker.problem("x = 1") is None


async def test_an_answer_is_remembered(checker: SyntaxChecker) -> None:
    assert await checker.problem("x = = 1")
    await checker.aclose()
    assert await checker.problem("x = = 1")
    assert checker._process is None


async def test_code_that_takes_the_compiler_down_is_refused_and_the_next_is_checked(checker: SyntaxChecker) -> None:
    await checker.warm()
    assert checker._process is not None
    checker._process.kill()
    assert await checker.problem("x = 1") == CRASHED
    assert await checker.problem("x = 1") is None  # not remembered: it may have been somebody else's doing


async def test_code_that_cannot_be_judged_in_time_is_accepted(checker: SyntaxChecker) -> None:
    hurried = SyntaxChecker(patience_s=0)
    assert await hurried.problem("x = = 1") is None
    await hurried.aclose()


async def test_a_caller_who_goes_away_leaves_no_answer_for_the_next(checker: SyntaxChecker) -> None:
    await checker.warm()
    asking = asyncio.create_task(checker.problem("x = = 1\n" * 20_000))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await checker.problem("y = 1") is None


async def test_many_ask_at_once_and_each_gets_its_own_answer(checker: SyntaxChecker) -> None:
    codes = [f"x = {'=' if number % 2 else ''} {number}" for number in range(50)]
    answers = await asyncio.gather(*(checker.problem(code) for code in codes))
    assert [answer is not None for answer in answers] == [bool(number % 2) for number in range(50)]
