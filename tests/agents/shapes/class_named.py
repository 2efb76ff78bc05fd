# entrypoint: "agent:Service.ask"
# answer: "how are you?"
# call: "Service.ask(query)"
"""A method of a class that was named: one object is made."""


class Service:
    def ask(self, question):
        return question


def run(query):
    return "not this"
