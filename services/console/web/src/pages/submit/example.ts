// What somebody without an agent at hand tries first.
export const EXAMPLE_CODE = `def run(query):
    """Assay calls this with the query; what it returns is the answer."""
    words = query.split()
    for number, word in enumerate(words, start=1):
        print(f"word {number}: {word}")
    return {"words": len(words), "longest": max(words, key=len, default=None)}
`;
export const EXAMPLE_QUERY = "How many words has this question?";
