# answer: "how are you?"
# call: "weather_agent.run(query)"
"""An agent under a name of its own."""


class Agent:
    def run(self, task, stream=False):
        return task


weather_agent = Agent()


def get_weather(city):
    return "rain"
