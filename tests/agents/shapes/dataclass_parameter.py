# answer: ["how are you?", 2]
# call: "run(Question(text=query))"
"""A dataclass with one field for what is asked."""
from dataclasses import dataclass


@dataclass
class Question:
    text: str
    depth: int = 2


def run(question: Question):
    return [question.text, question.depth]
