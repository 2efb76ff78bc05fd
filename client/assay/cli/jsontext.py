"""Values as JSON text on one line, the way every `--json` prints them. Knows nothing of what they mean."""

from __future__ import annotations

import json

# JSON escapes control characters below the space only. Terminals obey others, too, programs that read line by line end
# one at some of them, and halves of characters cannot be printed.
_STEERING = (range(0x7F, 0xA0), range(0x2028, 0x202F), range(0x2066, 0x206A), range(0xD800, 0xE000))
_ESCAPED = {code: f"\\u{code:04x}" for codes in _STEERING for code in codes}


def json_text(value: object) -> str:
    """Readable in any language, and without a character that steers a terminal: an agent may have written it."""
    return json.dumps(value, ensure_ascii=False).translate(_ESCAPED)
