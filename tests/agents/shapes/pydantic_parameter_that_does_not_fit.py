# code: "QUERY_NOT_ACCEPTED"
# message: "request wants a JSON object for Request, such as {\"city\": ..., \"days\": ...}"
# needs: "pydantic"
"""A pydantic model that the query does not fit."""
from pydantic import BaseModel


class Request(BaseModel):
    city: str
    days: int


def run(request: Request):
    return request.city
