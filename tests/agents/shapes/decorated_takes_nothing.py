# code: "QUERY_NOT_ACCEPTED"
# message: "run() cannot take the query: it takes nothing"
"""A decorator that would swallow the query hides nothing: the function takes none."""
import functools


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function()

    return wrapper


@logged
def run():
    return "fixed"
