# answer: "formal=False: how are you?"
# call: "main \"$query\""
# kind: "command"
# needs: "typer"
"""A function for typer.run: its defaults are Typer's, and its parser makes values of them."""
import typer


def main(name: str, formal: bool = typer.Option(False)):
    print(f"formal={formal}: {name}")


if __name__ == "__main__":
    typer.run(main)
