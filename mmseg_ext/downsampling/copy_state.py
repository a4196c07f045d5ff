"""The state of a copy: whose its folder is, what it lacks, and its record at the end."""

import json
import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmseg_ext.downsampling.copies import Filters, Shard, Target
from mmseg_ext.downsampling.layouts import Failure, Layout, Pair
from mmseg_ext.downsampling.record import RECORD_NAME, STATE_FOLDER, make_record
from mmseg_ext.errors import UserError
from mmseg_ext.files import find_json, replace_file


def claim_copy(source: Path, target: Target, layout: Layout, filters: Filters) -> None:
    """Mark a copy's folder as this command's, or refuse it."""
    root, wanted = target.root, _settings(target, layout, filters)
    inside, outside = root.resolve(), source.resolve()
    if inside == outside or outside in inside.parents or inside in outside.parents:
        raise UserError(f"Expected a folder beside the original {source} for the copy, got {root}.")
    alternatives = f"name another folder for the copy, or remove {root}"
    found = _read_json(root / RECORD_NAME) or _read_json(root / STATE_FOLDER / "settings.json")
    if found is None:
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise UserError(
                f"Expected {root} to be empty or a copy that this command made, found something else: {alternatives}."
            )
    else:
        different = _differences(found, wanted)
        if different:
            raise UserError(
                f"Expected the copy in {root} to be made as this run would make it, but it was made with {different}. "
                f"Repeat those settings, or {alternatives}."
            )
    replace_file(root / STATE_FOLDER / "settings.json", json.dumps(wanted, indent=1))


def find_lacking(root: Path, pairs: Iterable[Pair], filters: Filters) -> list[bool]:
    """Find the pairs of which a copy lacks a file."""

    @lru_cache(maxsize=4)  # pairs are sorted by folder
    def names_in(folder: str) -> set[str]:
        return set(os.listdir(root / folder)) if (root / folder).is_dir() else set()

    lacking = []
    for pair in pairs:
        parts = (name.rpartition("/") for name in _names(pair, filters))
        lacking.append(not all(name in names_in(folder) for folder, _, name in parts))
    return lacking


def remove_leftovers(root: Path, pairs: Iterable[Pair], filters: Filters) -> None:
    """Remove the unfinished files that a killed run left of these pairs; those of other shards may be in use."""
    folders = {name.rpartition("/")[0] for pair in pairs for name in _names(pair, filters)}
    found = [path for folder in folders for path in (root / folder).glob(".?*.????????") if path.is_file()]
    if found:
        mine = {root / name for pair in pairs for name in _names(pair, filters)}
        for path in found:
            if path.with_name(path.stem[1:]) in mine:
                path.unlink(missing_ok=True)


def finish_copy(
    source: Path,
    target: Target,
    layout: Layout,
    filters: Filters,
    pairs: Sequence[Pair],
    failed: Sequence[Failure],
    shard: Shard,
    digest: str,
) -> str:
    """Write the record, or the state of this shard; returns what is missing for the record, '' for nothing."""
    state = target.root / STATE_FOLDER
    if shard.count > 1:
        if (target.root / RECORD_NAME).is_file():  # complete before, and nothing was to be made
            _remove_state(state)
            return ""
        own = {"list_sha256": digest, "failed": [failure._asdict() for failure in failed]}
        replace_file(state / f"shard-{shard.index}-of-{shard.count}.json", json.dumps(own, indent=1))
        shards = [_read_json(state / f"shard-{i}-of-{shard.count}.json") for i in range(1, shard.count + 1)]
        lacking = [str(i) for i, found in enumerate(shards, 1) if found is None]
        if lacking:
            return f"shards {', '.join(lacking)} of {shard.count} have not ended in {target.root}"
        others = [str(i) for i, found in enumerate(shards, 1) if found and found["list_sha256"] != digest]
        if others:
            return f"shards {', '.join(others)} of {shard.count} found other files in {source} than this one"
        failed = sorted({Failure(**failure) for found in shards if found for failure in found["failed"]})
    bad = {failure.path for failure in failed}
    kept = [pair for pair in pairs if bad.isdisjoint(pair)]
    num_lacking = sum(find_lacking(target.root, kept, filters))
    if num_lacking:
        return f"{num_lacking} of {len(kept)} images are not in {target.root}"
    copied = [Pair(filters.copied_name(image), mask) for image, mask in kept]
    record = make_record(_settings(target, layout, filters), source, target.root, copied, failed)
    replace_file(target.root / RECORD_NAME, json.dumps(record, indent=1))
    _remove_state(state)
    return ""


def _settings(target: Target, layout: Layout, filters: Filters) -> dict[str, Any]:
    return {"factor": target.factor, "layout": layout.name, "filters": filters.to_dict()}


def _differences(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    flat_found = {**found.get("filters", {}), "factor": found.get("factor"), "layout": found.get("layout")}
    flat_wanted = {**wanted["filters"], "factor": wanted["factor"], "layout": wanted["layout"]}
    return ", ".join(
        f"{key} {flat_found.get(key)}, not {value}"
        for key, value in flat_wanted.items()
        if flat_found.get(key) != value
    )


def _read_json(path: Path) -> dict[str, Any] | None:
    content = find_json(path)
    return content if isinstance(content, dict) else None


def _names(pair: Pair, filters: Filters) -> list[str]:
    """Name the files of a pair in the copy."""
    return [filters.copied_name(pair.image)] + ([] if pair.mask is None else [pair.mask])


def _remove_state(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink(missing_ok=True)
    folder.rmdir()
