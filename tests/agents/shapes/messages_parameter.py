# answer: "how are you?"
# call: "answer([{\"role\": \"user\", \"content\": query}])"
"""A list of messages, as chat models take them."""


def answer(messages: list[dict]) -> str:
    return messages[-1]["content"]
