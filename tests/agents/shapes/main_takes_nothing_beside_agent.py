# answer: "reply to 'how are you?'"
# call: "agent(query)"
# candidates: ["main()"]
"""Case 02: an agent object, and a main() that asks it something fixed."""


class Agent:
    def __call__(self, text):
        return f"reply to {text!r}"


agent = Agent()


def main():
    print(agent("What is the weather in Seattle?"))


if __name__ == "__main__":
    main()
