"""The small process that starts sandboxes: `server.py` keeps forked processes ready, `becoming.py` is what one of them
does when its order comes. Standard library only."""
