"""Images that two datasets share, by content."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

_SAMPLE_BYTES = 4096


def shared_images(first: Iterable[str], second: Iterable[str]) -> list[tuple[str, str]]:
    """Find the files that are in two lists, under the same name or another.

    Contents are compared where it is cheap: of files of the same size first 4 KiB from the middle, then, where those
    are the same, all of it.

    Args:
        first: Paths; those that cannot be read are left out.
        second: Likewise.

    Returns:
        Pairs of a path of `first` and one of `second`, in the order of `second`.
    """
    known, candidates = (
        {os.path.realpath(path): path for path in first},
        {os.path.realpath(path): path for path in second},
    )
    pairs = {real: known[real] for real in candidates if real in known}
    mine, others = list(known), [real for real in candidates if real not in known]
    keys: list[Callable[[str], object]] = [os.path.getsize, _middle, _whole]
    same = {"": (mine, others)}
    for key in keys:
        same = _split(same.values(), key)
    for found, copies in same.values():
        pairs |= dict.fromkeys(copies, known[found[0]])
    return [(pairs[real], path) for real, path in candidates.items() if real in pairs]


def _split(groups: Iterable[tuple[list[str], list[str]]], key: Callable[[str], object]) -> dict:
    """Divide groups of files by a key; those that only one of the two lists is in are left out."""
    divided: dict[tuple, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for number, group in enumerate(groups):
        for side, files in enumerate(group):
            for file in files:
                try:
                    divided[number, key(file)][side].append(file)
                except OSError:
                    continue
    return {name: sides for name, sides in divided.items() if all(sides)}


def _middle(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return os.pread(file.fileno(), _SAMPLE_BYTES, max(0, os.path.getsize(path) // 2 - _SAMPLE_BYTES // 2))


def _whole(path: str) -> bytes:
    return hashlib.blake2b(Path(path).read_bytes()).digest()
