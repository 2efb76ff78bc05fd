# query: "{\"city\": \"Oslo\", \"days\": \"3\"}"
# answer: ["Oslo", 3]
# call: "run(Request(**json(query)))"
# needs: "pydantic"
"""A pydantic model."""
from typing import Optional

from pydantic import BaseModel


class Request(BaseModel):
    city: str
    days: int = 1


def run(request: Optional[Request] = None):
    return request.city, request.days
