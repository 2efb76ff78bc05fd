"""Retrieval without a model: ranks a few documents against the question (TF-IDF) and answers with the best passage.

No requirements. An object with an `invoke` method, as LangChain and many home-made agents have it.
"""

import logging
import math
import re

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
log = logging.getLogger("search")

DOCUMENTS = {
    "refunds": "A refund is paid within five working days after the goods have come back to our warehouse.",
    "shipping": "We ship to all countries of Europe. An order before noon leaves on the same day.",
    "warranty": "Every device has a warranty of two years. Broken screens are not covered by the warranty.",
    "contact": "Write to us at any time. On working days you get an answer within four hours.",
}


def tokens(text: str) -> list[str]:
    """Words in lower case, without a plural s."""
    return [word.rstrip("s") for word in re.findall(r"[a-z]+", text.lower())]


class DocumentSearch:
    """Answers from `documents` only."""

    def __init__(self, documents: dict[str, str]) -> None:
        self.documents = documents
        self.words = {name: tokens(text) for name, text in documents.items()}

    def weight(self, word: str) -> float:
        """Rare words count more."""
        holding = sum(word in words for words in self.words.values())
        return math.log((1 + len(self.words)) / (1 + holding)) + 1

    def invoke(self, query: str) -> dict:
        """The best passage and how sure we are."""
        scores = {}
        for name, words in self.words.items():
            scores[name] = sum(words.count(word) / len(words) * self.weight(word) for word in tokens(query))
            log.info("%s: %.3f", name, scores[name])
        best = max(scores, key=scores.__getitem__)
        if scores[best] == 0:
            log.warning("nothing fits")
            return {"answer": None, "source": None}
        return {"answer": self.documents[best], "source": best, "score": round(scores[best], 3)}


agent = DocumentSearch(DOCUMENTS)
