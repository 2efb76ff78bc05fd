# code: "QUERY_NOT_ACCEPTED"
# message: "main is a command line that takes count"
# needs: "click"
"""A command that takes no text."""
import click


@click.command()
@click.option("--count", default=1)
def main(count):
    click.echo(count)
