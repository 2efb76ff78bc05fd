# answer: "how are you?"
# call: "run(task=query)"
# signature: "(*, task)"
"""A decorator that takes anything and an option of its own, as tracing libraries have them."""
import functools


def traceable(function):
    @functools.wraps(function)
    def wrapper(*args, extra=None, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@traceable
def run(*, task):
    return task
