"""Changed entries of the caches: what they are made of is read again, and the answer stays the same."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Any

from fault_trials.files import build_dataset, write_folder_dataset, write_runs
from fault_trials.trials import change_bytes, run_tool

SHAPE = (5, 7, 3)


def read_decoded(number: int) -> None:
    """An entry of the decoded images whose header was changed gives the array of the file."""
    import numpy as np

    from mmseg_ext.masks.array_store import HEADER
    from mmseg_ext.masks.decoded_cache import DecodedCache

    array = np.arange(105, dtype=np.uint8).reshape(SHAPE)
    Path("image.png").write_bytes(b"one")
    cache = DecodedCache(Path("cache").absolute(), limit_gb=1e-3)
    cache.get("image.png", "image", lambda: array)
    (entry,) = cache.folder.glob("*.array")
    content = entry.read_bytes()
    chance = random.Random(number)
    if number % 3:
        header = bytearray(content[: HEADER.size])
        for _ in range(chance.choice([1, 1, 3, 20])):
            header[chance.randrange(len(header))] = chance.choice([0, 1, 4, 7, 255, *b"|<u?1248fO"])
        entry.write_bytes(bytes(header) + content[HEADER.size :])
    else:
        entry.write_bytes(content[: chance.randrange(len(content))])
    found = cache.get("image.png", "image", lambda: array)
    assert found.dtype == array.dtype, f"dtype {found.dtype}"
    assert np.array_equal(found, array), f"another array, of shape {found.shape}"


def check_data(number: int) -> None:
    """The check of a dataset says the same with a changed cache as without a cache."""
    from mmseg_ext.data_check import check_dataset

    write_folder_dataset(Path())
    dataset = build_dataset(Path())

    def check(use_cache: bool) -> Any:
        report = check_dataset(dataset, cache_dir="cache", num_workers=1, use_cache=use_cache)
        return {**report.to_dict(), "seconds": 0, "from_cache": 0}

    expected = check(use_cache=False)
    check(use_cache=True)
    (cache,) = Path("cache").iterdir()
    cache.write_bytes(change_bytes(cache.read_bytes(), number))
    assert check(use_cache=True) == expected, "another report"


def read_tables(number: int) -> None:
    """Tables made with a changed cache are those made without a cache."""
    write_runs(Path("runs"))
    cache_home = Path("cache").absolute()
    os.environ["XDG_CACHE_HOME"] = str(cache_home)

    def tables(*options: str) -> dict[str, bytes]:
        shutil.rmtree("out", ignore_errors=True)
        run_tool("extract_tables.py", "runs", "--out", "out", *options, allowed=(0,))
        return {path.name: path.read_bytes() for path in Path("out").iterdir()}

    expected = tables("--no-cache")
    assert tables() == expected
    (cache,) = (path for path in cache_home.rglob("*") if path.is_file())
    cache.write_bytes(change_bytes(cache.read_bytes(), number))
    assert tables() == expected, "another table"
