# code: "QUERY_NOT_ACCEPTED"
# message: "which never reads that"
"""As functools.wraps makes it: the signature is that of the function inside."""
import functools
def decorated(function):
    @functools.wraps(function)
    def wrapper(*a, **k):
        return function()

    return wrapper


@decorated
def run(query="default"):
    return "answer to " + query
