# query: "41"
# answer: 42
# call: "run(int(query))"
"""A number is taken from a query that is one, and from no other."""


def run(query: int):
    return query + 1
