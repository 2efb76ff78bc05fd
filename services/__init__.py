"""The five services and the console. They never import one another; they meet in the store and on the bus."""
