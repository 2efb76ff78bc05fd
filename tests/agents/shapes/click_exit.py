# needs: "click"
# code: "AGENT_EXITED"
# message: "sys.exit(3)"
"""A command that says that it has failed."""
import click
@click.command()
@click.argument("query")
@click.pass_context
def main(context, query):
    click.echo("cannot answer " + query)
    context.exit(3)
