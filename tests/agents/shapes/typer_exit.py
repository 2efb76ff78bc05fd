# needs: "typer"
# code: "AGENT_EXITED"
# message: "sys.exit(1)"
"""As typer says that a command has failed."""
import typer
app = typer.Typer()


@app.command()
def main(query: str):
    typer.echo("cannot answer " + query)
    raise typer.Exit(1)
