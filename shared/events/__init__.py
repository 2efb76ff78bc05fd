"""The closed list of facts that the parts tell one another. Pydantic models; no bus, no store."""
