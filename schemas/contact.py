"""The API's rules for identifiers (api-facts §1; API text, table of `keyValue`), as constants that SQL can use too.

Each pattern means the same to Python's `re` (with `fullmatch`, or `search` for FORBIDDEN) and to RE2, which DuckDB and
Arrow use.
"""

from __future__ import annotations

#: The longest keyValue and the longest identifier, in characters (api-facts §1).
KEY_MAX = 300

#: The longest name of a parameter, in characters (api-facts §1).
PARAM_NAME_MAX = 100

#: The signs that the API forbids in keyValue and in identifiers.
FORBIDDEN_SIGNS = r"""<;’\\/|"`'^?!,>"""

#: One character that neither keyValue nor an identifier may hold: one of these signs, or a control character.
FORBIDDEN = rf"""[\x00-\x1f\x7f-\x9f{FORBIDDEN_SIGNS}]"""

# Blanks and marks that cannot be seen, beyond ASCII: they come with text that was copied from a page.
_UNSEEN = "\u00a0\u00ad\u200b-\u200f\u2028-\u202f\u2060\u3000\ufeff"
# Letters and digits of any script, those with `-` between them, and letters only.
_ALNUM = rf"[^\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f{_UNSEEN}]"
_INNER = rf"[^\x00-\x2c\x2e\x2f\x3a-\x40\x5b-\x60\x7b-\x7f{_UNSEEN}]"
_ALPHA = rf"[^\x00-\x40\x5b-\x60\x7b-\x7f{_UNSEEN}]"
_ATOM = rf"[^\x00-\x20\x7f@.()<>\[\]:;,\\\"{_UNSEEN}]+"

#: name@domain.tld: a name without blanks and double dots, a domain of two labels or more, the last beginning with a
#: letter.
EMAIL = rf"^{_ATOM}(?:\.{_ATOM})*@(?:{_ALNUM}(?:{_INNER}*{_ALNUM})?\.)+{_ALPHA}{_INNER}*{_ALNUM}$"

#: Digits without sign and separators: 7 to 15, the first one not 0 (API text: "in the international format"; E.164).
PHONE = r"^[1-9][0-9]{6,14}$"
