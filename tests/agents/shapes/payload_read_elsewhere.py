# code: "QUERY_NOT_ACCEPTED"
# message: "it reads city of its object, which has prompt"
"""What is read is seen only when it runs."""
def city_of(request):
    return request.get("city", "Oslo")


def handler(event, context=None):
    return "weather of " + city_of(event)
