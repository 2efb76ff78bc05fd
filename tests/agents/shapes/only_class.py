# answer: ["how are you?"]
# call: "Assistant.chat(query)"
# kind: "class"
"""A class alone."""


class Assistant:
    def __init__(self):
        self.memory = []

    def chat(self, message):
        self.memory.append(message)
        return self.memory
