# answer: "verbose=False: how are you?"
# call: "app \"$query\""
# needs: "typer"
"""A Typer app: its function is called with what its parser makes, not with Typer's own defaults."""
import typer

app = typer.Typer()


@app.command()
def main(query: str, verbose: bool = typer.Option(False)):
    print(f"verbose={verbose}: {query}")


if __name__ == "__main__":
    app()
