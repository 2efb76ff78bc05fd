# code: "ENTRYPOINT_NOT_FOUND"
# message: "process(text) may be a part of it only"
"""main is the agent, and asks by itself."""


def process(text):
    return "processed " + text


def main():
    print("Answer:", process(input("Question: ")), "!")


if __name__ == "__main__":
    main()
