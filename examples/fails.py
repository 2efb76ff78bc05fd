"""An agent that fails: the exception, its message and its traceback become the reason that Assay reports."""

PRICES = {"tea": 3.20, "coffee": 4.10}


def price_of(item: str) -> float:
    """Look the price up."""
    if item not in PRICES:
        raise LookupError(f"{item} is not on the menu")
    return PRICES[item]


def run(query: str) -> dict:
    """Work out a bill, for something that is not on the menu."""
    print("INFO: working out the bill")
    total = sum(price_of(item) for item in ("tea", "coffee", "cake"))
    return {"total": total}
