"""Regular expressions (RE2) for what a job names in URLs: a path by a template, a parameter or a cookie by its name.

They are made once, when an expression is bound. A URL may write any character as it is or percent-encoded, and so may the job;
a pattern takes both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from etl.job.mistakes import near

#: The beginning of a whole URL: its scheme.
SCHEME = "[A-Za-z][A-Za-z0-9+.-]*:"

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_REST = re.compile(r"(/?)(?:\*|\{([^{}]*)\.\.\.\})$")
_NAME = re.compile(r"[^\W\d]\w*")
_NOTHING = r"[^\x00-\x{10FFFF}]"


class PatternError(ValueError):
    """What is wrong with a template or a name, in an analyst's words."""


def path(template: str, wanted: str | None = None) -> str:
    """Return a pattern whose one group is the value of a placeholder, where a path matches `template`; still encoded.

    `wanted` names the placeholder where there are several. A path may stand in a URL, and its query and fragment do not count, nor
    does a slash at its end.
    """
    rest = _REST.search(template)
    body = template[: rest.start()] if rest else template.removesuffix("/")
    literals, names = _PLACEHOLDER.split(body)[::2], _PLACEHOLDER.split(body)[1::2]
    if rest and rest[2] is not None:
        names.append(rest[2])
    _check(template, literals, names)
    wanted = _choose(wanted, names)
    pattern = _of_path(literals[0])
    for name, text in zip(names, literals[1:], strict=False):
        pattern += ("([^/?#]+)" if name == wanted else "[^/?#]+") + _of_path(text)
    if rest is None:
        return _whole(f"{pattern}/?")
    value = "([^?#]*)" if rest[2] == wanted else "[^?#]*"
    return _whole(pattern + (f"(?:/{value})?" if rest[1] else value))


def parameter(name: str) -> str:
    """Return a pattern for one parameter in `&…&`, the query between two more signs; its group is the value, still encoded."""
    return f"&{_of_query(name)}(?:=([^&]*))?&"


def parameters(names: Iterable[str]) -> str:
    """Return a pattern for each of these parameters in a query whose `&` are doubled; its group is name and value as written."""
    either = "|".join(map(_of_query, names)) or _NOTHING
    return f"&((?:{either})(?:=[^&]*)?)&"


def cookie(name: str) -> str:
    """Return a pattern for one cookie of a Cookie header; its group is the value, with the quotes that it may have."""
    return rf"(?:^|;)[ \t]*{_quoted(name)}[ \t]*=[ \t]*([^;]*?)[ \t]*(?:;|$)"


def _whole(pattern: str) -> str:
    return rf"(?s)^(?:{SCHEME}//[^/?#]*)?{pattern}(?:[?#]|$)"


def _check(template: str, literals: list[str], names: list[str]) -> None:
    if not template.startswith("/"):
        raise PatternError("a template begins with /, for example '/product/{sku}'")
    for name in names:
        if name.endswith("..."):
            raise PatternError(f"`{{{name}}}` takes the rest of the path: it stands at the end")
        if not _NAME.fullmatch(name):
            raise PatternError(
                f"`{{{name}}}` is no placeholder: expected a name of letters, digits and _ in the braces"
            )
        if names.count(name) > 1:
            raise PatternError(f"the placeholder `{{{name}}}` is there twice")
    for text in literals:
        if any(brace in text for brace in "{}"):
            raise PatternError("a brace has no partner; a placeholder is written {name}")
        if "*" in text:
            raise PatternError("`*` takes the rest of the path: it stands at the end; for one part write {name}")
        if "?" in text or "#" in text:
            raise PatternError("a template is of the path alone; for what follows ? use query_param()")
    if not names:
        raise PatternError("a template has a placeholder, for example '/product/{sku}'")
    if "}{" in template:
        raise PatternError("two placeholders need a text between them")


def _choose(wanted: str | None, names: list[str]) -> str:
    told = ", ".join(f"'{name}'" for name in names)
    if wanted is None and len(names) > 1:
        raise PatternError(f"the template has several placeholders: name the one you mean as the third value ({told})")
    if wanted is not None and wanted not in names:
        raise PatternError(f"the template has no placeholder `{wanted}`{near(wanted, names, f'it has {told}')}")
    return wanted or names[0]


def _plain(text: str) -> str:
    """Decode what the job names; what is no text in UTF-8 then stays, as it does in a URL."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


def _of_path(text: str) -> str:
    # A slash that is encoded is no slash of the path.
    return "".join("/" if c == "/" else _either(c, c) for c in _plain(text))


def _of_query(name: str) -> str:
    # These signs have a meaning in a query, so they are encoded where they are meant.
    as_written = {" ": (" ", "+"), "+": (), "&": (), "=": (), "#": ()}
    return "".join(_either(c, *as_written.get(c, (c,))) for c in _plain(name))


def _either(character: str, *written: str) -> str:
    """A character as each of `written`, or percent-encoded with digits of either case."""
    digits = (f"[{d}{d.lower()}]" if d.isalpha() else d for byte in character.encode() for d in f"%{byte:02X}")
    return f"(?:{'|'.join([*map(_quoted, written), ''.join(digits)])})"


def _quoted(text: str) -> str:
    """Quote a text for RE2, which wants every ASCII sign quoted and no letter."""
    return "".join(c if c.isalnum() or not c.isascii() else f"\\x{{{ord(c):x}}}" for c in text)
