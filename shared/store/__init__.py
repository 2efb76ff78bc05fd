"""The only place with PyMongo: what is kept, how it is found, and the writes that move it."""
