# answer: "A: how are you?"
# call: "run(query)"
"""As flask's request and lazy settings: whatever it is asked, it fails."""


class Lazy:
    def __getattribute__(self, name):
        raise RuntimeError(f"working outside of request context: {name}")

    def __call__(self, query):
        raise RuntimeError("working outside of request context")


request = Lazy()
settings_agent = Lazy()


def run(query):
    return "A: " + query
