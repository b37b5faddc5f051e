"""What a single value of the job file must be.

Each function takes it as read and gives it as the model keeps it, or raises ValueError with what was expected.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from difflib import get_close_matches
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from etl.address import is_loopback, is_remote
from etl.job import template
from etl.job.locators import ALIASES, IDENTIFIERS, LOCATORS
from etl.job.mistakes import near
from etl.job.section import Fault, raise_all
from etl.job.shown import shown
from etl.job.values import expression, expressions, hours, text
from schemas.contact import FORBIDDEN_SIGNS, PARAM_NAME_MAX

#: The longest eventTypeKey, in characters (api-facts §1).
TYPE_MAX = 100
_LONGEST_JOB = 100

_JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_METHOD = re.compile(r"/v\d(/\w+)*$")


def _string(value: object, expected: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"expected {expected}, found {shown(value) if value != '' else 'a blank text'}")
    return value


def job_name(value: object) -> str:
    """Return a plain name: it becomes the name of a folder."""
    expected = "a plain name of letters, digits, - _ and ."
    found = _string(text(value), expected)
    if not _JOB.fullmatch(found) or len(found) > _LONGEST_JOB:
        raise ValueError(f"expected {expected}, at most {_LONGEST_JOB} characters, found {shown(found)}")
    return found


def paths(value: object) -> tuple[str, ...]:
    """Return one path or a list of them as a tuple; a path may hold `{{ date }}`."""
    found: list[str] = []
    faults: list[Fault] = []
    many = isinstance(value, list | tuple)
    for position, item in enumerate(value if isinstance(value, list | tuple) else [value]):
        try:
            path = _string(text(item), "a file, folder or glob, or a list of them")
            template.check(path)
            if is_remote(path):
                _address(path)
            found.append(path)
        except ValueError as error:
            faults.append(Fault((position,) if many else (), str(error)))
    if many and not value:
        faults.append(Fault((), "expected a file, folder or glob, or a list of them, found an empty list"))
    raise_all("paths", faults, value)
    return tuple(found)


def _address(path: str) -> None:
    """Raise ValueError for an address that nothing can be read from, or that holds a login."""
    scheme, _, rest = path.partition("://")
    place, _, key = rest.partition("/")
    if "@" in place.partition("?")[0]:
        raise ValueError(
            "an address must hold no login: credentials come from the environment "
            "(docs/remote-inputs.md has where from); one that stood in a file should be replaced"
        )
    if not place.strip():
        raise ValueError(
            f"expected an address with a bucket or host, such as s3://bucket/visits.csv, found {shown(path)}"
        )
    if scheme.lower() in ("s3", "gs"):
        if ":" in place or "*" in place:
            raise ValueError(f"expected the name of a bucket after {scheme}://, found {shown(path)}")
        return
    try:
        host = urlsplit(f"//{place}").hostname or ""
    except ValueError:
        raise ValueError(f"this address cannot be read: {shown(path)}") from None
    if scheme.lower() == "http" and not is_loopback(host):
        raise ValueError("plain http would show the file to everyone on the way; write https://")
    key = key.partition("?")[0].partition("#")[0]
    if not key or key.endswith("/") or "*" in key:
        raise ValueError(
            f"a server on {scheme}:// lists no files, so folders and globs cannot be read from it, found {shown(path)}: "
            "name each file, as a list"
        )


def not_empty(value: object) -> object:
    """Return a list of event rules that has one at least."""
    if not isinstance(value, list | tuple) or not value:
        found = "an empty list" if value in ([], ()) else shown(value)
        raise ValueError(f"expected a list of event rules, each with a `type`, found {found}")
    return value


def delimiter(value: object) -> str:
    r"""Return one character; a tab may be written as \t or tab."""
    found = str(value) if not isinstance(value, bool) else ""
    found = "\t" if found in ("\\t", "tab") else found
    if len(found) != 1 or found in '"\r\n':
        raise ValueError(f"expected one character such as ; or \\t, found {shown(value)}")
    return found


def quote(value: object) -> str:
    """Return one ASCII character; nothing for `none`."""
    found = str(value) if isinstance(value, str) else ""
    if found == "none":
        return ""
    if len(found) != 1 or not found.isascii() or found in "\r\n":
        raise ValueError(f"expected one character such as '\"', or none, found {shown(value)}")
    return found


def nulls(value: object) -> tuple[str, ...]:
    r"""Return the texts that mean null, such as \N."""
    found = tuple(text(item) for item in (value if isinstance(value, list | tuple) else [value]))
    if any(not isinstance(item, str) for item in found):
        raise ValueError(f"expected a text such as '\\N', or a list of them, found {shown(value)}")
    return tuple(str(item) for item in found)


def skip(value: object) -> int | str:
    """Return a number of lines above the header, or the text that such lines begin with (`{comment: "#"}`)."""
    if isinstance(value, Mapping) and set(value) == {"comment"}:
        mark = value["comment"]
        if isinstance(mark, str) and mark.strip() and not set(mark) & set("\r\n"):
            return mark
    elif not isinstance(value, bool) and str(value).isdecimal():
        return int(str(value))
    raise ValueError(f'expected a number of lines such as 5, or {{comment: "#"}}, found {shown(value)}')


def encoding(value: object) -> str:
    """Return a text encoding that Python's codecs know."""
    found = _string(value, "an encoding such as utf-8 or windows-1251")
    try:
        codecs.lookup(found)
        "".encode(found)  # base64 and its like are codecs, but not of text
    except LookupError:
        raise ValueError(f"expected an encoding such as utf-8 or windows-1251, found {shown(value)}") from None
    return found


def decimal(value: object) -> str:
    """Return the mark before the decimals."""
    if value not in (".", ","):
        raise ValueError(f'expected "." or ",", found {shown(value)}')
    return str(value)


def columns(value: object) -> tuple[str, ...]:
    """Return the names of a CSV's columns where its files have no header."""
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"expected a list of column names, found {shown(value) if value != [] else 'an empty list'}")
    faults: list[Fault] = []
    found: dict[str, int] = {}
    for position, item in enumerate(value):
        try:
            column = _string(text(item), "the name of a column")
        except ValueError as error:
            faults.append(Fault((position,), str(error)))
            continue
        if found.setdefault(column.lower(), position) != position:
            faults.append(Fault((position,), f"the column {shown(column)} is there already (SQL does not tell case)"))
    raise_all("columns", faults, value)
    return tuple(str(text(item)) for item in value)


def zone(value: object) -> str:
    """Return a time zone of the IANA database."""
    found = _string(value, "a time zone such as Europe/Kyiv")
    try:
        ZoneInfo(found)
    except (ValueError, OSError, KeyError):  # unknown, not a plain name, or a folder of the database
        zones = available_timezones()
        cities = {name.rsplit("/", 1)[-1].lower(): name for name in sorted(zones)}
        city = get_close_matches(found.rsplit("/", 1)[-1].lower(), cities, n=1, cutoff=0.75)
        hint = near(cities[city[0]], [cities[city[0]]]) if city else near(found, zones)
        raise ValueError(f"expected a time zone such as Europe/Kyiv, found {shown(value)}{hint}") from None
    return found


def time_format(value: object) -> object:
    """Return a format of times; ValueError for a text that has no directive, by which every time would be invalid."""
    if isinstance(value, str) and "%" not in value:
        raise ValueError(f"expected a format such as '%d.%m.%Y %H:%M', found {shown(value)}: it has no %")
    return value


def transform(value: object) -> object:
    """Return a Python file and the name of a function in it."""
    expected = "a Python file and a function in it, such as shop.py:clean"
    file, _, name = _string(value, expected).rpartition(":")
    if not file.endswith(".py") or not name.isidentifier():
        raise ValueError(f"expected {expected}, found {shown(value)}")
    return value


def window(value: object) -> object:
    """Return the hours of the day in which events may go, as they were written."""
    hours(value)
    return value


def event_type(value: object) -> str:
    """Return an eventTypeKey (api-facts §1): at most 100 characters, none of the forbidden ones."""
    found = _string(text(value), "an event type, for example pageViewed")
    if bad := re.search(f"[{FORBIDDEN_SIGNS}]", found):
        raise ValueError(
            f"the API allows no {bad[0]} in an event type, nor any of {FORBIDDEN_SIGNS}; found {shown(found)}"
        )
    if found != found.strip() or not found.isprintable():
        raise ValueError(
            f"expected an event type without blanks around it and without control characters, found {shown(found)}"
        )
    if len(found) > TYPE_MAX:
        raise ValueError(f"the API allows {TYPE_MAX} characters in an event type, found {len(found)}")
    return found


def contact(value: object) -> dict[str, str]:
    """Return the locators, each an expression; null is as good as absent."""
    if not isinstance(value, Mapping):
        raise ValueError(f"expected a mapping of locators to expressions, found {shown(value)}")  # noqa: TRY004
    faults: list[Fault] = []
    found: dict[str, str] = {}
    for key, item in value.items():
        if key not in LOCATORS:
            alias = ALIASES.get(str(key).lower())
            hint = near(alias, [alias]) if alias else near(str(key), LOCATORS, f"expected one of {', '.join(LOCATORS)}")
            faults.append(Fault((str(key),), f"unknown locator{hint}"))
        elif item is not None:
            try:
                found[key] = expression(item)
            except ValueError as error:
                faults.append(Fault((key,), str(error)))
    raise_all("contact", faults, value)
    return found


def let(value: object) -> dict[str, str]:
    """Return named expressions; SQL does not tell case, `item` belongs to `each`, names with _ in front to us."""
    found = expressions(value)
    seen: dict[str, str] = {}
    faults: list[Fault] = []
    for key in found:
        if key.lower() == "item":
            faults.append(Fault((key,), "`item` is the element of `each`; give this another name"))
        if key.startswith("_"):
            faults.append(Fault((key,), "names that start with _ are kept for clickreplay; give this another name"))
        if seen.setdefault(key.lower(), key) != key:
            faults.append(
                Fault((key,), f"SQL does not tell case: this is `{seen[key.lower()]}` again; give it another name")
            )
    raise_all("let", faults, value)
    return found


def api(value: object) -> str:
    """Return `sandbox`, or an https address without login, query, method and last slash; http on loopback only."""
    expected = "sandbox or an address such as https://esputnik.com/api"
    found = _string(value, expected).strip()
    if found == "sandbox":
        return found
    try:
        url = urlsplit(found)
        host, port = url.hostname or "", url.port
    except ValueError:
        raise ValueError(f"expected {expected}; this address cannot be read") from None
    if "@" in found:
        raise ValueError("an address must hold no login: the key comes from the environment (`api_key_env`)")
    if url.scheme not in ("http", "https") or not host:
        raise ValueError(f"expected {expected}, found {shown(found)}")
    if url.scheme == "http" and not is_loopback(host):
        raise ValueError("plain http would show the key to everyone on the way; write https://")
    if url.query or url.fragment:
        raise ValueError("expected an address without ? and #")
    path = url.path.rstrip("/")
    if method := _METHOD.search(path):
        raise ValueError(f"the method is added to the address: end it before {method[0]}")
    host = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{host}{f':{port}' if port else ''}{path}"


def ca(value: object) -> str:
    """Return the path of a file on this machine."""
    expected = "a file of certificates (PEM) on this machine"
    found = _string(value, expected).strip()
    if is_remote(found):
        raise ValueError(f"expected {expected}, found {shown(found)}")
    return found


def api_key_env(value: object) -> str:
    """Return the name of an environment variable. A key written here by mistake is never shown."""
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
        raise ValueError(
            "expected the name of an environment variable such as ESPUTNIK_API_KEY; "
            "a key itself never stands in a job file (one that did should be replaced)"
        )
    return value


def time_param(value: object) -> str:
    """Return the name of a parameter (api-facts §1: at most 100 characters) that is none of the locators."""
    found = _string(text(value), "the name of a parameter such as eventTime")
    if len(found) > PARAM_NAME_MAX:
        raise ValueError(f"the API allows {PARAM_NAME_MAX} characters in the name of a parameter, found {len(found)}")
    if found.lower() in IDENTIFIERS:
        raise ValueError(f"{shown(found)} is a locator; expected a name such as eventTime")
    return found
