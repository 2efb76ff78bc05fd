# answer: "how are you?"
# call: "agent(query)"
"""An object that answers to any name is called by what its class defines."""


class Anything(type):
    def __getattr__(cls, name):
        raise RuntimeError(name)


class Proxy(metaclass=Anything):
    def __getattr__(self, name):
        return lambda *args, **kwargs: "not this"

    def __call__(self, message):
        return message


agent = Proxy()
