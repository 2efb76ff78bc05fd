# code: "QUERY_NOT_ACCEPTED"
# message: "main(verbose=False) cannot take the query"
"""A switch is no place for a text."""


def main(verbose: bool = False):
    return "nothing was asked"
