# answer: "A: how are you?"
# call: "chat(query)"
"""The loop is for people; chat is the agent."""


def chat(message):
    return "A: " + message


if __name__ == "__main__":
    while True:
        print(chat(input("> ")))
