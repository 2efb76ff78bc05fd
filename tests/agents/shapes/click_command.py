# answer: "answer to how are you?"
# call: "main \"$query\""
# kind: "command"
# needs: "click"
"""Case 28: a click command."""
import click


@click.command()
@click.argument("query")
@click.option("--loud", is_flag=True)
def main(query, loud):
    click.echo(f"answer to {query}")


if __name__ == "__main__":
    main()
