"""A pydantic-ai agent with a tool, on the framework's TestModel: it calls every tool and needs no model provider.

Assay finds the object `agent`, calls its `run_sync`, takes the output as the answer and the usage as token figures.
"""

from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

agent = Agent(
    TestModel(custom_output_text="It is 21 °C and sunny in Prague: no coat needed."),
    instructions="You advise travellers on what to wear. Look at the weather first.",
)


@agent.tool_plain
def weather(city: str) -> str:
    """The weather in a city."""
    print(f"INFO: the model asks for the weather in {city!r}")
    return "21 °C, sunny"


@agent.output_validator
def check(answer: str) -> str:
    """Refuse an empty answer."""
    print(f"INFO: the model says: {answer}")
    return answer
