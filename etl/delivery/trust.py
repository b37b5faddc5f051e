"""Whose certificates are trusted: those of the job's `delivery.ca`, of the environment, or the usual ones (certifi's)."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from etl.errors import JobError, RefusedError

#: In the order in which they count: requests' own, curl's, OpenSSL's.
_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def tls_context(ca: str | None) -> ssl.SSLContext:
    """Return what a TLS connection demands: a certificate for the very host, from an authority of the bundle.

    `ca` is a file of certificates, or a folder of them by hash. JobError when it cannot be read, RefusedError when the
    one that the environment names cannot.
    """
    name, path = _bundle(ca)
    try:
        folder = Path(path).is_dir()
        context = ssl.create_default_context(cafile=None if folder else path, capath=path if folder else None)
    except OSError as error:  # ssl.SSLError too: no certificate in it
        why = error.strerror if not isinstance(error, ssl.SSLError) else "it holds no certificate (PEM)"
        message = f"{name} names {path}, which cannot be read: {why}"
        hint = "it must be a file with the certificates of the authorities to trust, in PEM form"
        raise (JobError if ca else RefusedError)(message, hint=hint) from None
    context.hostname_checks_common_name = False
    return context


def _bundle(ca: str | None) -> tuple[str, str]:
    """Return the bundle, and who names it."""
    if ca:
        return "delivery.ca", ca
    for name in _VARIABLES:
        if path := os.environ.get(name):
            return name, path
    return "the package certifi", DEFAULT_CA_BUNDLE_PATH
