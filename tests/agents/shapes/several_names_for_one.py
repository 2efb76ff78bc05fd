# answer: "how are you?"
# call: "run(query)"
# candidates: []
"""Other names for the same function."""


def run(query):
    return query


main = handler = agent = run
