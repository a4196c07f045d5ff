"""Shared by all tests: the prepared stack, the real data where this machine has them, and tiny generated ones."""

import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmseg_ext import stack

stack.prepare()

from browser import browser_page, chromium  # noqa: E402, F401 fixtures of every test
from mmengine.logging import MessageHub, MMLogger  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmseg.visualization import SegLocalVisualizer  # noqa: E402

collect_ignore = ["conftest.py"]  # holds no doctest, and folders have modules of that name

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
LOVEDA_FILES = {
    "Train/Urban": [f"{n}.png" for n in range(1, 9)],
    "Train/Rural": [f"{n}.png" for n in range(11, 15)],
    "Val/Urban": ["21.png", "22.png"],
    "Val/Rural": ["31.png"],
    "Test/Urban": ["41.png"],
    "Test/Rural": ["51.png", "52.png"],
}
DUBAI_COLORS = ["#3C1098", "#8429F6", "#6EC1E4", "#FEDD3A", "#E2A929"]


def pytest_collection_finish() -> None:
    """Leave all that is imported by now out of later garbage collections: mmengine's datasets collect when built."""
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let go of it again, so that extension modules find nothing left over at exit."""
    gc.unfreeze()


def save_png(path: Path, pixels: np.ndarray) -> None:
    """Write pixels, in the format that the path's suffix names; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(autouse=True)
def _process_state() -> Iterator[None]:
    """Take back the scope, logger, message hub and visualizer that a Runner leaves behind as the current ones."""
    kinds = (DefaultScope, MMLogger, MessageHub, SegLocalVisualizer)
    before = [kind._instance_dict.copy() for kind in kinds]
    yield
    for kind, instances in zip(kinds, before, strict=True):
        kind._instance_dict = instances


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data beside the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real data on this machine: ../shared/data is missing")
    return SHARED_DATA


@pytest.fixture(scope="session")
def dubai_root(shared_data: Path) -> Path:
    """The real Dubai images."""
    if not (shared_data / "dubai").is_dir():
        pytest.skip("no real Dubai images on this machine: ../shared/data/dubai is missing")
    return shared_data / "dubai"


@pytest.fixture
def loveda_root(tmp_path: Path) -> Path:
    """LoveDA's layout: 8 + 4 training, 2 + 1 validation, 1 + 2 test images of 12 × 16; masks hold all of 0..7."""
    root = tmp_path / "loveda"
    rng = np.random.default_rng(0)
    for folder, names in LOVEDA_FILES.items():
        for name in names:
            save_png(root / folder / "images_png" / name, rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
            if not folder.startswith("Test"):
                mask = rng.permutation(np.arange(12 * 16, dtype=np.uint8) % 8).reshape(12, 16)
                save_png(root / folder / "masks_png" / name, mask)
    return root


@pytest.fixture
def small_dubai_root(tmp_path: Path) -> Path:
    """The Dubai layout: tiles 1 and 2 with parts 1 to 6 of 6 × 8."""
    root = tmp_path / "dubai"
    rng = np.random.default_rng(0)
    colors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in DUBAI_COLORS], dtype=np.uint8)
    for tile in ("tile_1", "tile_2"):
        for part in range(1, 7):
            name = f"image_part_{part:03d}"
            save_png(root / tile / "images" / f"{name}.jpg", rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
            save_png(root / tile / "masks" / f"{name}.png", colors[rng.integers(0, 5, (6, 8))])
    return root


@pytest.fixture
def mmseg_scope() -> Iterator[None]:
    """Bare type names mean mmseg's, as in a config with default_scope = 'mmseg'."""
    with DefaultScope.overwrite_default_scope("mmseg"):
        yield
