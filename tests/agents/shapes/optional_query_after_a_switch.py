# answer: "how are you?"
# call: "run(query=query)"
"""The query is optional, and gets it all the same; a switch beside it keeps its default."""


def run(verbose=False, query="nothing"):
    assert verbose is False
    return query
