"""What is uploaded and what is left out, seen from inside the SDK, and bounded.

The SDK reads every byte of a model or a code folder twice, to hash and to send it. Up to a limit it may; what lies
beyond is counted and not read, so that a plan for a large model takes no longer than one for a small one. A name that
the SDK derives from the content is then not the one that it would choose.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

blobs: Any = import_module("azure.ai.ml._artifacts._blob_storage_helper")
assets: Any = import_module("azure.ai.ml._utils._asset_utils")

READ_BYTES = 64 * 1024 * 1024
"""Most bytes of one upload that are read."""

READ_FILES = 500
"""Most files of one upload that are read."""

LISTED = 1000
"""Most files that are listed by name, of those that are sent and of those that are kept."""

Note = Callable[[dict[str, Any]], None]


def observe(note: Note) -> None:
    """Tell `note` of each upload, before its first request, from now on."""
    upload = blobs.BlobStorageClient.upload

    def noted(client: Any, source: str, *args: Any, **kwargs: Any) -> Any:
        note(_described(client, Path(source), kwargs.get("ignore_file") or assets.IgnoreFile()))
        return upload(client, source, *args, **kwargs)

    blobs.BlobStorageClient.upload = noted


def bound() -> None:
    """Keep hashing and sending within the limits, from now on."""
    send, add = assets.upload_file, assets._get_file_hash
    sending, hashing = _Spending(), _Spending()

    def send_or_count(storage_client: Any, source: Any, *args: Any, **kwargs: Any) -> None:
        if sending.affords(storage_client, source):
            send(storage_client, source, *args, **kwargs)
        else:
            storage_client.uploaded_file_count += 1

    def add_content_or_size(filename: Any, _hash: Any) -> Any:
        if hashing.affords(_hash, filename):
            return add(filename, _hash)
        _hash.update(str(os.path.getsize(filename)).encode())
        return _hash

    assets.upload_file = blobs.upload_file = send_or_count
    assets._get_file_hash = add_content_or_size


class _Spending:
    """Files and bytes read so far, for each upload or hash."""

    def __init__(self) -> None:
        # The keys' objects are kept too: an id is unique only among the living.
        self._spent: dict[int, tuple[object, int, int]] = {}

    def affords(self, whole: object, part: Any) -> bool:
        _, files, size = self._spent.get(id(whole), (whole, 0, 0))
        files, size = files + 1, size + os.path.getsize(part)
        if files > READ_FILES or size > READ_BYTES:
            return False
        self._spent[id(whole)] = whole, files, size
        return True


def _described(client: Any, source: Path, ignore: Any) -> dict[str, Any]:
    sent, kept = _files(source, ignore)
    return {
        "kind": "upload",
        "source": str(source),
        "container": client.container,
        "ignore": Path(ignore.path).name if ignore.path else None,
        "sent": _summary(sent),
        "kept": _summary(kept),
        "read": len(sent) <= READ_FILES and sum(sent.values()) <= READ_BYTES,
    }


def _files(source: Path, ignore: Any) -> tuple[dict[str, int], dict[str, int]]:
    """Files and their sizes, those that are sent and those that the ignore file keeps here, as the SDK finds them."""
    if not source.is_dir():
        return _sizes([(source, source.name)]), {}
    whole = _sizes(assets.get_upload_files_from_folder(source, ignore_file=assets.IgnoreFile()))
    sent = _sizes(assets.get_upload_files_from_folder(source, ignore_file=ignore))
    return sent, {name: size for name, size in whole.items() if name not in sent}


def _sizes(files: Iterable[tuple[Any, str]]) -> dict[str, int]:
    """Sizes in bytes by name; a link to nothing has none, and the SDK will say so."""
    return {name: os.path.getsize(path) for path, name in files if os.path.exists(path)}


def _summary(files: dict[str, int]) -> dict[str, Any]:
    listed = [{"name": name, "bytes": size} for name, size in sorted(files.items())[:LISTED]]
    return {"count": len(files), "bytes": sum(files.values()), "files": listed}
