# answer: {"question": "how are you?"}
# call: "ask \"$query\""
# needs: "click"
"""A group with one command that is plainly the agent."""
import click


@click.group()
def cli():
    pass


@cli.command()
@click.argument("question")
def ask(question):
    return {"question": question}


@cli.command()
def version():
    click.echo("1.0")
