"""Clients of object stores, one per bucket and process, and their errors as a disk would raise them."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

MAX_ATTEMPTS = 10
"""Times a request is sent, unless ``AWS_MAX_ATTEMPTS`` says otherwise."""
RETRY_S = 180
"""No request is sent again after this long, seconds."""
LONGEST_PAUSE_S = 10.0
"""Longest pause before a request is sent again, seconds."""
CONNECT_S, SILENCE_S = 5, 30
"""Longest wait for a connection, and for the next bytes of an answer, seconds."""
WEB = ("http://", "https://")
"""Schemes that are read only, and have no listings."""
SCHEMES = frozenset(
    ("s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "http", "https", "memory", "member")
)
"""Schemes of URIs that can be opened, beside ``file``."""
_USED_BY: list[int] = []
"""Process that first spoke to a store: its threads do not survive a fork, and a forked child would wait forever."""


def without_query(uri: str) -> str:
    """A URL without what follows ``?``, where signatures travel; anything else as it is."""
    return uri.partition("?")[0] if uri.startswith(WEB) else uri


def check_scheme(uri: str) -> None:
    """ValueError for a URI whose scheme nothing here can open."""
    scheme = uri.partition("://")[0]
    if scheme not in SCHEMES:
        raise ValueError(
            f"{without_query(uri)}: {scheme}:// cannot be opened; use s3://, gs://, az://, http:// or https://, or a "
            "path on this machine"
        )


def client(root: str) -> Any:
    """The client of a bucket, one per process."""
    if _USED_BY and _USED_BY[0] != os.getpid():
        raise RuntimeError(
            "this process was forked from one that uses an object store, whose connections it cannot use; "
            "start it with spawn or forkserver"
        )
    _USED_BY[:] = [os.getpid()]
    return _open(root)


@lru_cache(maxsize=64)
def _open(root: str) -> Any:
    import obstore

    attempts = int(os.environ.get("AWS_MAX_ATTEMPTS") or MAX_ATTEMPTS)
    if root.startswith(WEB):
        from pipeline.store.web import WebStore

        waits = {"connect_s": CONNECT_S, "silence_s": SILENCE_S, "pause_s": LONGEST_PAUSE_S}
        return WebStore(root, attempts=attempts, **waits)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    pauses = {"init_backoff": 0.1, "max_backoff": LONGEST_PAUSE_S}
    connect: Any = obstore.store.from_url
    return connect(
        root,
        client_options={
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=CONNECT_S),
            "read_timeout": timedelta(seconds=SILENCE_S),
            "timeout": timedelta(hours=6),
        },
        retry_config={
            "max_retries": max(0, attempts - 1),
            "retry_timeout": timedelta(seconds=RETRY_S),
            "backoff": {name: timedelta(seconds=t) for name, t in pauses.items()} | {"base": 2},
        },
        **_profile(root),
    )


def _profile(root: str) -> dict[str, Any]:
    """Credentials of ``~/.aws`` through boto3, where the environment has none and boto3 is there."""
    known = {"AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE", "AWS_WEB_IDENTITY_TOKEN_FILE"}
    own = os.environ.get("AWS_PROFILE") or (Path.home() / ".aws").is_dir()
    if not root.startswith("s3://") or not own or known & set(os.environ):
        return {}
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        return {}
    return {"credential_provider": Boto3CredentialProvider()}


@contextmanager
def asking(uri: str) -> Iterator[None]:
    """Errors of a store as OSErrors of the kind a disk would raise, with the URI and without secrets."""
    import obstore  # noqa: F401 - whole: its modules are ready before it is, and another thread may be importing it
    from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

    from pipeline.store.addresses import AddressRefused

    try:
        yield
    except AddressRefused as error:
        raise PermissionError(errno.EACCES, error.strerror, without_query(uri)) from None
    except FileNotFoundError as error:
        what = "bucket" if "NoSuchBucket" in str(error) else "object"
        raise FileNotFoundError(errno.ENOENT, f"no such {what}", without_query(uri)) from None
    except (PermissionDeniedError, UnauthenticatedError) as error:
        why = f"access denied ({reason(str(error))}); check credentials and rights"
        raise PermissionError(errno.EACCES, why, without_query(uri)) from None
    except (BaseError, OSError) as error:
        text = str(error)
        if "169.254.169.254" in text:  # the last place where credentials are looked for
            why = "no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            raise PermissionError(errno.EACCES, why, without_query(uri)) from None
        why = f"the store does not answer as it should ({reason(text)}); run the same command again"
        raise ConnectionError(errno.ECONNABORTED, why, without_query(uri)) from None


def reason(text: str) -> str:
    """The status, the store's code and the plain words of a client's message: nothing that could be a secret."""
    status = re.search(r"status code: (\d{3}[^:<\n]*)", text)
    code = re.search(r"<Code>(\w{1,60})</Code>", text)
    if status:
        return " ".join(filter(None, [status[1].strip(), code and code[1]]))
    words = text.split("\n", 1)[0].rpartition(" - ")[2]
    return re.sub(r"\S+://\S+|\?\S+", "...", words).strip()[:120] or "no answer"
