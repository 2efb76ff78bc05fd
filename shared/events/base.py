"""What every event has: an id that is the same when the fact is told twice, a subject, and CloudEvents attributes.

Knows nothing of NATS beyond the shape of a subject: `<domain>.<fact>.<user>.<test>`.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.ids import TestId, UserId, fact_id


class Event(BaseModel):
    """A fact about one test. Additive: readers ignore fields that they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="utf8", allow_inf_nan=False)

    type: ClassVar[str]
    """`<domain>.<fact>`, the first two tokens of the subject."""
    version: ClassVar[int] = 1
    told_by: ClassVar[str]
    """The service that tells it."""

    test_id: TestId
    user_id: UserId
    attempt: int = Field(
        default=0, ge=0, lt=2**31, description="0 before the first slot was granted, then counted from 1"
    )
    at: AwareDatetime = Field(description="when it happened, UTC")

    def facets(self) -> tuple[object, ...]:
        """What tells two facts of this type about one attempt apart; nothing, where there can be only one."""
        return ()

    @property
    def about(self) -> str:
        """Id of what it is a fact about: the last token of the subject."""
        return self.test_id

    @property
    def id(self) -> str:
        """The same fact has the same id, whoever tells it and however often: JetStream drops the second one."""
        return fact_id(self.type, self.about, self.attempt, *self.facets())

    @property
    def subject(self) -> str:
        """Where it is published."""
        return f"{self.type}.{self.user_id}.{self.about}"

    @classmethod
    def pattern(cls, user: str = "*", test: str = "*") -> str:
        """The subject filter for these events, of one user or one test where given."""
        return f"{cls.type}.{user}.{test}"

    def cloud_event_headers(self, traceparent: str | None, source: str | None = None) -> dict[str, str]:
        """CloudEvents 1.0 attributes in binary mode (CloudEvents NATS binding), the trace, and the id JetStream
        deduplicates by."""
        headers = {
            "Nats-Msg-Id": self.id,
            "ce-specversion": "1.0",
            "ce-id": self.id,
            "ce-type": f"assay.{self.type}.v{self.version}",
            "ce-source": f"/assay/{source or self.told_by}",
            "ce-subject": self.about,
            "ce-time": self.at.isoformat(),
            "content-type": "application/json",
        }
        if traceparent:
            headers["traceparent"] = traceparent
        return headers
