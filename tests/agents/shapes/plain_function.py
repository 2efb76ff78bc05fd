# answer: {"asked": "how are you?"}
# call: "run(query)"
# kind: "function"
# signature: "(query)"
"""A function that is asked something."""


def run(query):
    return {"asked": query}
