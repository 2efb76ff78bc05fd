# answer: "HOW ARE YOU?"
# call: "summarise(query)"
"""The file's only function."""


def summarise(text: str) -> str:
    return text.upper()
