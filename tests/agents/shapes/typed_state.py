# answer: [{"role": "user", "content": "how are you?"}]
# call: "run({\"messages\": [{\"role\": \"user\", \"content\": query}]})"
"""A state of messages."""
from typing import TypedDict


class State(TypedDict):
    messages: list


def run(state: State):
    return state["messages"]
