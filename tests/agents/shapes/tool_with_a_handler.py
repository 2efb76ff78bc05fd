# answer: "A: how are you?"
# call: "run(query)"
"""Tools and buses have handlers as apps do."""


class Tool:
    def __init__(self, name, handler):
        self.name = name
        self.handler = handler


def get_weather(payload):
    return f"Sunny in {payload}"


weather = Tool("weather", handler=get_weather)


def run(query):
    return "A: " + query
