"""Values as JSON text on one line, the way every `--json` prints them. Knows nothing of what they mean."""

from __future__ import annotations

import json

# JSON escapes control characters below the space only, and terminals obey the others, too.
_ESCAPED = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def json_text(value: object) -> str:
    """Readable in any language, and without a character that steers a terminal: an agent may have written it."""
    return json.dumps(value, ensure_ascii=False).translate(_ESCAPED)
