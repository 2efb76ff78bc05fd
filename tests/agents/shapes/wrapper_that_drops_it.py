# code: "QUERY_NOT_ACCEPTED"
# message: "run(*a, **k) cannot take the query: run(query) would put it into *a of wrapper, which never reads that"
"""A decorator that takes anything and hands on nothing."""
def decorated(function):
    def wrapper(*a, **k):
        return function()

    return wrapper


@decorated
def run(query="default"):
    return "answer to " + query
