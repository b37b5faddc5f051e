"""Which files an address of the job names."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from etl.errors import MissingInputError
from etl.source.origin import Origin, Stamp
from etl.source.remote.file import RemoteFile
from etl.source.remote.store import Store

#: Files are asked for their etags by so many at once.
_ASKED = 16

# What a store needs takes a moment to load, so only that of the address is.


def find_remote(text: str) -> list[tuple[str, Origin, str, Stamp]]:
    """Return the files of one address of the job, each with its full address, its address for people, and its stamp.

    Raises InputError where nothing is there or it cannot be read.
    """
    stores = _stores(text)
    if len(stores) == 1:
        return [_found(stores[0])]
    with ThreadPoolExecutor(_ASKED) as pool:
        return list(pool.map(_found, stores))


def _stores(text: str) -> Sequence[Store]:
    scheme, _, rest = text.partition("://")
    scheme = scheme.lower()
    if scheme in ("http", "https"):
        from etl.source.remote.http import HttpFile

        return [HttpFile(f"{scheme}://{rest}")]
    from etl.source.remote.keys import find_keys

    bucket, _, key = rest.partition("/")
    return find_keys(scheme, bucket, key)


def _found(store: Store) -> tuple[str, Origin, str, Stamp]:
    origin = RemoteFile(store)
    try:
        return store.address, origin, store.shown, origin.stamp()
    except FileNotFoundError:
        raise MissingInputError(f"no input: nothing found at {store.shown}", hint="Check the address.") from None
