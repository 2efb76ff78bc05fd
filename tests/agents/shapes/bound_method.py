# answer: ["how are you?", 1]
# call: "ask(query)"
# kind: "method"
"""A method as the entry point."""


class Service:
    def ask(self, question, *, depth=1):
        return [question, depth]


ask = Service().ask
