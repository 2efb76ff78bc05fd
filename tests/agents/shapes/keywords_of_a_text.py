# answer: {"query": "how are you?"}
# call: "run(query=query)"
"""Keywords of any name, and a text."""


def run(**kwargs):
    return kwargs
