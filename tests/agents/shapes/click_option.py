# query: "--times=7"
# answer: ["--times=7"]
# call: "cli --prompt=\"$query\""
# needs: "click"
"""A click command that takes the query by an option, and a query that looks like one."""
import click


@click.command()
@click.option("--prompt", required=True)
@click.option("--times", default=1)
def cli(prompt, times):
    return [prompt] * times


if __name__ == "__main__":
    cli()
