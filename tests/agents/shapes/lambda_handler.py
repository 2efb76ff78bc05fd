# answer: {"statusCode": 200, "body": "how are you?"}
# call: "lambda_handler({\"prompt\": query, \"body\": json}, context)"
"""AWS Lambda."""
import json


def lambda_handler(event, context):
    assert context.get_remaining_time_in_millis() > 0 and context.aws_request_id and context.function_name
    body = json.loads(event["body"]) if "body" in event else event
    return {"statusCode": 200, "body": body["prompt"]}
