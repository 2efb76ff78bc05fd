# query: null
# query_passed: false
# answer: "nothing was asked"
# call: "main()"
"""The same, submitted without a query."""


def main(verbose: bool = False):
    return "nothing was asked"
