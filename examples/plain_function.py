"""A plain function: looks at the question word by word, prints what it sees, returns a small JSON answer.

No requirements. The entry point is `run`, the first name that Assay looks for.
"""

from collections import Counter

VOWELS = set("aeiouyAEIOUY")
LINES = 20


def run(query: str) -> dict:
    """Count the words of the question."""
    words = [word.strip(".,;:!?\"'()") for word in query.split()]
    words = [word for word in words if word]
    letters = Counter(letter for word in words for letter in word.lower())
    print(f"INFO: reading a question of {len(query)} characters")
    steps = [f"word {number}: {word}" for number, word in enumerate(words, start=1)]
    steps += [f"letter {letter}: {count} times" for letter, count in letters.most_common()]
    for step in steps[: LINES - 2]:
        print(step)
    print(f"INFO: done, {len(words)} words with {sum(letters[letter] for letter in VOWELS)} vowels")
    return {
        "answer": f"There are {len(words)} words in this question.",
        "words": len(words),
        "longest": max(words, key=len, default=None),
    }
