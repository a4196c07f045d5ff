"""Reads what Weights & Biases wrote in offline mode."""

import json
from pathlib import Path

_BLOCK, _HEAD, _FULL, _FIRST, _LAST = 32768, 7, 1, 2, 4


def read_records(path: Path) -> list[bytes]:
    """Read the records of a log in LevelDB's format, behind a head of seven bytes."""
    data, place, records, parts = path.read_bytes(), _HEAD, [], []
    while place + _HEAD <= len(data):
        if _BLOCK - place % _BLOCK < _HEAD:  # what is left of a block holds no head
            place += _BLOCK - place % _BLOCK
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        place += _HEAD
        parts = [] if kind in (_FULL, _FIRST) else parts
        parts.append(data[place : place + length])
        place += length
        if kind in (_FULL, _LAST):
            records.append(b"".join(parts))
    return records


def read_history(folder: Path) -> list[dict]:
    """Read the rows that the one offline run below a folder has logged."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.rglob("offline-run-*/*.wandb")
    rows = []
    for data in read_records(path):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.HasField("history"):
            rows.append({i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in record.history.item})
    return rows
