"""S3 and Google Cloud Storage through Arrow's filesystems, with the credentials of their own standard chains."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from urllib.parse import urlsplit

from pyarrow import fs

from etl.errors import InputError
from etl.source.origin import Stamp
from etl.source.remote.store import PassingError, changed

_CODE = re.compile(r"AWS Error ([A-Z_]+)")
_REFUSED = re.compile(
    r"ACCESS_DENIED|FORBIDDEN|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|INVALID_SIGNATURE|INVALID_CLIENT_TOKEN|EXPIRED_TOKEN"
    r"|UNRECOGNIZED_CLIENT|MISSING_AUTHENTICATION|INVALID_TOKEN|PERMISSION_DENIED|UNAUTHENTICATED|HTTP Status 401|HTTP Status 403"
)
_MISSING = re.compile(r"NO_SUCH_BUCKET|NO_SUCH_KEY|RESOURCE_NOT_FOUND|NOT_FOUND|INVALID_BUCKET_NAME|HTTP Status 404")
_UNTRUSTED = re.compile(r"curlCode: (60|77)|certificate", re.IGNORECASE)

_HINTS = {
    "s3": "Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or the machine's role; they need "
    "s3:GetObject, and s3:ListBucket for folders and globs. A public bucket: AWS_NO_SIGN_REQUEST=yes.",
    "gs": "Credentials come from GOOGLE_APPLICATION_CREDENTIALS, `gcloud auth application-default login` or the machine's "
    "service account; they need storage.objects.get, and storage.objects.list for folders and globs. "
    "A public bucket: GS_NO_SIGN_REQUEST=yes.",
}
#: `store.tried` tries again, whatever the store.
_ONE_TRY = fs.AwsStandardS3RetryStrategy(max_attempts=1)
_YES = frozenset({"1", "yes", "true", "on"})


def filesystem(scheme: str, bucket: str) -> fs.FileSystem:
    """Return the filesystem that holds a bucket."""
    return _s3(bucket) if scheme == "s3" else _gcs()


def _s3(bucket: str) -> fs.S3FileSystem:
    """Return S3 as the environment has it; Arrow's SDK reads AWS_* variables, profile and role by itself, but no endpoint.

    The region of a bucket is asked for where the environment names none.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region is None and not endpoint:
        region = _region(bucket)
    options: dict[str, object] = {
        "region": region,
        "connect_timeout": 10,
        "request_timeout": 60,
        "retry_strategy": _ONE_TRY,
    }
    if os.environ.get("AWS_NO_SIGN_REQUEST", "").lower() in _YES:
        options["anonymous"] = True
    if endpoint:
        url = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        options |= {"scheme": url.scheme, "endpoint_override": f"{url.netloc}{url.path.rstrip('/')}"}
    if bundle := os.environ.get("AWS_CA_BUNDLE"):
        options["tls_ca_file_path"] = bundle
    return _made(fs.S3FileSystem, tuple(options.items()))


@cache
def _region(bucket: str) -> str | None:
    try:
        region: str = fs.resolve_s3_region(bucket)
    except OSError:
        return None  # reading the file tells what is wrong
    return region


def _gcs() -> fs.GcsFileSystem:
    """Return Google Cloud Storage as the environment has it; an emulator takes anyone."""
    options: dict[str, object] = {"retry_time_limit": timedelta(seconds=15)}
    if os.environ.get("GS_NO_SIGN_REQUEST", "").lower() in _YES:
        options["anonymous"] = True
    if emulator := os.environ.get("STORAGE_EMULATOR_HOST"):
        url = urlsplit(emulator if "://" in emulator else f"http://{emulator}")
        options |= {"anonymous": True, "scheme": url.scheme, "endpoint_override": url.netloc}
    return _made(fs.GcsFileSystem, tuple(options.items()))


@cache
def _made(kind: type[fs.FileSystem], options: tuple[tuple[str, object], ...]) -> fs.FileSystem:
    """Return a filesystem with its pool of connections, one for all files that are reached alike."""
    return kind(**dict(options))


@dataclass(frozen=True, slots=True)
class BucketFile:
    """One object of a bucket."""

    scheme: str
    bucket: str
    key: str

    @property
    def address(self) -> str:
        """Its address."""
        return f"{self.scheme}://{self.bucket}/{self.key}"

    @property
    def shown(self) -> str:
        """Its address: it holds no secret."""
        return self.address

    @property
    def name(self) -> str:
        """The last part of its key."""
        return self.key.rpartition("/")[2]

    def stamp(self) -> Stamp:
        """Ask for its size and etag (S3) or generation (Google)."""
        try:
            with self._open() as file:
                return _stamp(file, self)
        except OSError as error:
            raise told(error, self.scheme, self.shown) from error

    def reading(self, stamp: Stamp, *, anywhere: bool) -> BucketReading:  # noqa: ARG002 - buckets have ranges
        """Open it (`store.Store`)."""
        try:
            file = self._open()
            if _stamp(file, self) != stamp:
                raise changed(self.shown)
        except OSError as error:
            raise told(error, self.scheme, self.shown) from error
        return BucketReading(self, file)

    def _open(self) -> fs.NativeFile:
        return filesystem(self.scheme, self.bucket).open_input_file(f"{self.bucket}/{self.key}")


class BucketReading:
    """Reads one object by ranges. Google's are of the generation that was opened; of S3's the stream proves that nothing changed."""

    def __init__(self, item: BucketFile, file: fs.NativeFile) -> None:
        self._item, self._file = item, file

    def read(self, offset: int, size: int) -> bytes:
        """Return exactly these bytes (`store.Reading`)."""
        try:
            data: bytes = self._file.read_at(size, offset)
        except OSError as error:
            raise told(error, self._item.scheme, self._item.shown) from error
        if len(data) != size:
            raise PassingError("the connection was cut")
        return data

    def close(self) -> None:
        """Let go of its connections."""
        self._file.close()


def _stamp(file: fs.NativeFile, item: BucketFile) -> Stamp:
    about = {name.lower(): value.decode() for name, value in (file.metadata() or {}).items()}
    if item.scheme == "gs" and about.get("content-encoding") == "gzip":
        raise InputError(
            f"cannot read {item.shown}: it is marked `Content-Encoding: gzip`, so Google unpacks it on the way, without parts",
            hint="Take the mark away, it is unpacked here: gcloud storage objects update --clear-content-encoding ADDRESS",
        )
    version = about.get("etag") if item.scheme == "s3" else about.get("generation")
    return Stamp(file.size(), version or about.get("last-modified", ""))


def told(error: OSError, scheme: str, shown: str) -> Exception:
    """Return what an error of Arrow's means: FileNotFoundError, PassingError, or InputError for what will not pass."""
    text = str(error)
    code = _CODE.search(text)
    if isinstance(error, FileNotFoundError) or _MISSING.search(text):
        return FileNotFoundError(shown)
    if _REFUSED.search(text):
        return InputError(f"cannot read {shown}: access refused{f' ({code[1]})' if code else ''}", hint=_HINTS[scheme])
    if _UNTRUSTED.search(text):
        return InputError(
            f"cannot read {shown}: the server's certificate is not trusted",
            hint="For a certificate of your own authority set AWS_CA_BUNDLE to its file.",
        )
    if code and code[1] == "UNKNOWN" and "301" in text:
        return InputError(
            f"cannot read {shown}: the bucket is in another region", hint="Set AWS_REGION to the bucket's."
        )
    return PassingError(f"the store answers {code[1]}" if code else "the store cannot be reached")
