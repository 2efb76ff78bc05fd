"""How the queue stands: for who asks once, for who watches, and for one waiting test."""
