# answer: {"statusCode": 200, "body": "how are you?"}
"""Lambda behind API Gateway: a body of JSON text, read by a function of its own."""
import json
def question_in(event):
    return json.loads(event.get("body") or "{}").get("question", "(nothing asked)")


def lambda_handler(event, context):
    return {"statusCode": 200, "body": question_in(event)}
