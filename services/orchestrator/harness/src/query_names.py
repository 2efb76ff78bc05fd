"""What agents call their parameter for what they are asked."""

from __future__ import annotations

# What agents call the parameter for what they are asked; the first of them that is there gets it.
QUERY_NAMES = (
    *("query", "question", "user_query", "user_question", "query_text", "question_text", "input_query", "search_query"),
    *("prompt", "user_prompt", "input_prompt", "prompt_text", "message", "user_message", "user_msg", "msg"),
    *("messages", "input_messages", "input", "user_input", "human_input", "input_text", "input_str", "user_text"),
    *("inputs", "input_data", "task", "task_description", "text", "topic", "payload", "event", "request"),
    *("user_request", "body", "problem", "objective", "goal", "instruction", "instructions", "data", "state"),
    *("content", "q", "utterance", "str_or_query_bundle"),
)
HANDLER_NAMES = ("payload", "event")  # of AgentCore and of Lambda: an object whatever the query is
MESSAGES_NAMES = ("messages", "input_messages")
OBJECT_NAMES = ("inputs", "input_data", "request", "body", "data", "state")  # the object, where the query is one


def plain_name(name: str) -> str:
    return name.strip("_").lower()
