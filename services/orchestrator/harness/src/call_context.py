"""The context object that AgentCore and Lambda hand to their handlers."""

from __future__ import annotations

import time


class CallContext:
    """Has what agents ask either platform's context for. Nothing in it is a secret or leads anywhere."""

    def __init__(self, test_id: str, timeout_s: float, memory_mib: int) -> None:
        self.session_id = self.aws_request_id = self.request_id = test_id
        self.request_headers: dict[str, str] = {}
        self.function_name = "agent"
        self.function_version = "$LATEST"
        self.invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:agent"
        self.memory_limit_in_mb = str(memory_mib or 512)  # text, as Lambda has it
        self.log_group_name = "assay"
        self.log_stream_name = test_id
        self.identity = self.client_context = self.request = None
        self._ends = time.monotonic() + timeout_s

    def get_remaining_time_in_millis(self) -> int:
        """Until the time limit of the test."""
        return max(0, int((self._ends - time.monotonic()) * 1000))

    def __repr__(self) -> str:
        return f"<context of {self.session_id}>"
