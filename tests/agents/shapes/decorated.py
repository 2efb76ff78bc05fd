# answer: ["client", "how are you?"]
# call: "run(query)"
# signature: "(query)"
"""Decorators that take anything, and one that gives an argument of its own."""
import functools


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def with_client(function):
    @functools.wraps(function)
    def wrapper(query):
        return function("client", query)

    return wrapper


@logged
@with_client
@logged
def run(client, query):
    return [client, query]
