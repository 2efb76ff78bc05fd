"""`make setup`: what a fresh checkout needs on a fresh machine. Standard library only: nothing is installed yet."""
