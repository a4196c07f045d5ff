"""A small tree to copy, and the command."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


def write_ade20k(root: Path, sizes: dict[str, tuple[int, int]]) -> Path:
    """Write an ADE20K tree: {'training/1': (height, width), …}."""
    rng = np.random.default_rng(0)
    for name, (height, width) in sizes.items():
        for kind, pixels in (
            ("images", rng.integers(0, 256, (height, width, 3), dtype=np.uint8)),
            ("annotations", rng.integers(0, 151, (height, width), dtype=np.uint8)),
        ):
            path = root / kind / f"{name}{'.jpg' if kind == 'images' else '.png'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return root


def make_ade20k(folder: Path) -> Path:
    """Write five images of odd sizes in ADE20K's layout."""
    sizes = {f"training/ADE_{n}": (12 + n, 21 - n) for n in range(3)}
    return write_ade20k(folder / "ADE", {**sizes, "validation/ADE_8": (8, 8), "validation/ADE_9": (9, 16)})


def load_command() -> Callable[[list[str]], int]:
    """The command's main, in this process."""
    spec = importlib.util.spec_from_file_location("downsample_command", ROOT / "tools" / "downsample.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main
