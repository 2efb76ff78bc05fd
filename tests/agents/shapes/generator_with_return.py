# answer: {"answer": "how are you?"}
# call: "run(query)"
"""Yields are log lines; what is returned is the answer."""


def run(query):
    yield "thinking"
    yield {"step": 2}
    return {"answer": query}
