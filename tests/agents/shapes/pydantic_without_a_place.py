# needs: "pydantic"
# query: "{\"query\": \"zebra\"}"
# code: "QUERY_NOT_ACCEPTED"
# message: "run(request) cannot take the query: request wants a JSON object with some of prompt, top_k for Request"
"""A model of defaults takes any object, and nothing of it."""
from pydantic import BaseModel
class Request(BaseModel):
    prompt: str = "hello"
    top_k: int = 3


def run(request: Request):
    return "A " + request.prompt
