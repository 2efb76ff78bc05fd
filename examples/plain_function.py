"""A plain function: looks at the question word by word, prints what it sees, returns a small JSON answer.

No requirements. The entry point is `run`, the first name that Assay looks for.
"""

from collections import Counter

VOWELS = set("aeiouyAEIOUY")
STEPS = 20


def run(query: str) -> dict:
    """Count the words of the question."""
    words = [word.strip(".,;:!?\"'()") for word in query.split()]
    words = [word for word in words if word]
    print(f"INFO: reading a question of {len(query)} characters")
    for number in range(1, STEPS - 1):
        if number <= len(words):
            word = words[number - 1]
            print(f"word {number}: {word} ({sum(letter in VOWELS for letter in word)} vowels)")
        else:
            print(f"DEBUG: place {number}: no word here")
    print(f"INFO: done, {len(words)} words")
    return {
        "answer": f"There are {len(words)} words in this question.",
        "words": len(words),
        "longest": max(words, key=len, default=None),
        "most_common_letter": Counter(query.replace(" ", "").lower()).most_common(1)[0][0] if words else None,
    }
