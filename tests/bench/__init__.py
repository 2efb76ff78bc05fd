"""The benchmark: what Assay costs beside the same work done with nothing but processes. `make bench` runs it."""
