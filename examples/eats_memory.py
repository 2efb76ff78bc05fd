"""An agent that eats memory: it keeps 16 MiB more with every step until it is stopped by its memory limit."""

STEP = 16 << 20
LIMIT = 8 << 30


def run(query: str) -> str:
    """Keep everything."""
    kept = []
    while len(kept) * STEP < LIMIT:
        kept.append(b"\1" * STEP)
        print(f"INFO: holding {len(kept) * STEP >> 20} MiB", flush=True)
    return "there was enough memory"
