"""Who did what with the power of an admin."""
