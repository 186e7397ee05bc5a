"""What a bucket of S3 keeps besides its objects: old versions, and uploads that were cut short.

Nothing else here lists or reads them, and both can hold a work that was forgotten.

Looked at through boto3, where it is installed: obstore, which reads and writes objects, knows neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.store.paths import Location, ObjectPath

S3 = "s3://"
BATCH = 1000
"""Versions that one request removes, at most."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a bucket still keeps below a folder."""

    versions: int = 0
    """Old versions of objects, and marks of removed ones."""
    uploads: int = 0
    """Uploads that were never completed."""
    unknown: str = ""
    """Why it could not be looked at."""

    def __bool__(self) -> bool:
        return bool(self.versions or self.uploads or self.unknown)

    def told(self, folder: Location | str) -> str:
        """In words, with what to do."""
        if self.unknown:
            return f"{folder}: {self.unknown}; old versions and unfinished uploads there may still hold the work"
        parts = [f"{self.versions} old versions of objects"] if self.versions else []
        parts += [f"{self.uploads} unfinished uploads"] if self.uploads else []
        return (
            f"the bucket keeps {' and '.join(parts)} below {folder}, which may hold the work; remove them with "
            "--old-versions"
        )


def kept_by_bucket(folder: Location, *, remove: bool) -> Kept:
    """Old versions and unfinished uploads below a folder in an object store; with ``remove`` they go first.

    Nothing for a folder on a disk. What cannot be seen is said in ``unknown``.
    """
    if not isinstance(folder, ObjectPath):
        return Kept()
    if not folder.uri.startswith(S3):
        return Kept(unknown="only buckets of S3 can be looked at")
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError:
        return Kept(unknown="boto3 is not installed (pip install boto3)")
    bucket, prefix = folder.root.removeprefix(S3), f"{folder.key}/"
    try:
        client = boto3.client("s3")
        if remove:
            remove_versions(client, bucket, prefix)
            for upload in unfinished(client, bucket, prefix):
                client.abort_multipart_upload(Bucket=bucket, **upload)
        return Kept(
            versions=len(old_versions(client, bucket, prefix)),
            uploads=sum(1 for _ in unfinished(client, bucket, prefix)),
        )
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        return Kept(unknown=f"the bucket refuses ({code}, {error.operation_name})")
    except BotoCoreError as error:
        return Kept(unknown=f"the bucket does not answer ({type(error).__name__})")


def old_versions(client: Any, bucket: str, prefix: str) -> list[dict[str, str]]:
    """Key and id of every version that is not the current one, then of every mark that an object was removed."""
    versions, marks = [], []
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        versions += [each for each in page.get("Versions", []) if not each["IsLatest"]]
        marks += page.get("DeleteMarkers", [])
    return [{name: each[name] for name in ("Key", "VersionId")} for each in versions + marks]


def remove_versions(client: Any, bucket: str, prefix: str) -> None:
    """Remove them for good: versions before marks, for a version whose mark has gone would be an object again."""
    found = old_versions(client, bucket, prefix)
    for start in range(0, len(found), BATCH):
        answer = client.delete_objects(
            Bucket=bucket, Delete={"Objects": found[start : start + BATCH], "Quiet": True}
        )
        for error in answer.get("Errors", []):
            from botocore.exceptions import ClientError

            raise ClientError({"Error": error}, "DeleteObjects")


def unfinished(client: Any, bucket: str, prefix: str) -> Iterator[dict[str, str]]:
    """Key and id of every upload that was begun and neither completed nor aborted."""
    pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for each in page.get("Uploads", []):
            yield {"Key": each["Key"], "UploadId": each["UploadId"]}
