# code: "QUERY_NOT_ACCEPTED"
# message: "run(query=query) would put it into **kwargs of wrapper, which never reads that"
"""The query is the second parameter, and only the first is handed on by position."""
import functools
def decorated(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args)

    return wrapper


@decorated
def run(model="m", query="default"):
    return "answer to " + query
