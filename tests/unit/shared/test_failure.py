import pytest

from shared.domain.failure import KINDS, Failure, FailureCode, Stage

# DESIGN.md, section 9: those with a star.
RETRIED = {
    "CAPACITY_UNAVAILABLE",
    "TASK_START_FAILED",
    "TASK_START_TIMEOUT",
    "TASK_LOST",
    "SPOT_INTERRUPTED",
    "THROTTLED",
    "PACKAGE_NOT_STORED",
}


@pytest.mark.parametrize("code", FailureCode)
def test_every_code_says_where_what_and_what_to_do(code: FailureCode) -> None:
    kind = KINDS[code]
    assert kind.stage in Stage
    assert kind.message.endswith(".")
    assert kind.hint.endswith(".")
    assert kind.retryable == (code in RETRIED)


def test_the_list_is_closed() -> None:
    assert set(KINDS) == set(FailureCode)


def test_a_failure_has_its_usual_words_unless_others_are_given() -> None:
    usual = Failure.of(FailureCode.TASK_LOST)
    kind = KINDS[FailureCode.TASK_LOST]
    assert (usual.stage, usual.message, usual.hint, usual.retryable) == (kind.stage, kind.message, kind.hint, True)
    other = Failure.of(FailureCode.CANCELLED, "Cancelled by bob.", stage=Stage.QUEUE)
    assert (other.stage, other.message, other.hint) == (Stage.QUEUE, "Cancelled by bob.", KINDS[other.code].hint)


def test_an_empty_message_is_no_message() -> None:
    assert Failure.of(FailureCode.INTERNAL, "").message == KINDS[FailureCode.INTERNAL].message
