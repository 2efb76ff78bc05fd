"""Documents that another version wrote, and what is read of them."""

from shared.domain.failure import FailureCode
from shared.store.books import _TEST as READ_BY_THE_BOOKS
from shared.store.documents import RESULT_DETAILS, FailureDoc, Result
from shared.store.executions import BASIC

SHORT = {"success", "metrics", "usage", "python"}


def test_a_failure_code_of_a_newer_version_is_read_with_its_own_message() -> None:
    stored = {"code": "WRITTEN_LATER", "stage": "run", "message": "the very reason", "hint": "do this"}
    read = FailureDoc.model_validate(stored)
    assert (read.code, read.message, read.hint) == (FailureCode.INTERNAL, "the very reason", "do this")
    assert FailureDoc.model_validate({**stored, "code": "TIMED_OUT"}).code is FailureCode.TIMED_OUT


def test_lists_and_books_read_nothing_of_a_result_that_can_be_long() -> None:
    assert {f"result.{name}" for name in Result.model_fields if name not in SHORT} == set(RESULT_DETAILS)
    for fields in (BASIC, READ_BY_THE_BOOKS):
        assert [fields[name] for name in RESULT_DETAILS] == [0] * len(RESULT_DETAILS)
