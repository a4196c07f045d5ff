"""Every config that a page shows loads, and its model and datasets build."""

import re
from pathlib import Path

import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS, MODELS

from mmseg_ext.engine.launch import replace_sync_batchnorm

ROOT = Path(__file__).resolve().parents[2]
LEAF_OF = {path.name: path for path in ROOT.glob("configs/*/*.py")}
SHOWN = [
    pytest.param(code, id=f"{page.name}-{number}")
    for page in sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.S))
    if "_base_ = " in code
]

pytestmark = pytest.mark.usefixtures("mmseg_scope")


def test_configs_are_shown():
    assert len(SHOWN) >= 8


@pytest.mark.parametrize("code", SHOWN)
def test_a_shown_config_builds(code, tmp_path):
    code = code.replace('"../_base_/', f'"{ROOT}/configs/_base_/')
    code = re.sub(r'"\.[\w./-]*/([\w.-]+\.py)"', lambda match: f'"{LEAF_OF[match[1]]}"', code)
    path = tmp_path / "shown.py"
    path.write_text(code)
    config = Config.fromfile(path)
    replace_sync_batchnorm(config)
    model = MODELS.build({**config.model, "pretrained": None})
    for split in ("train", "val", "test"):
        dataset = DATASETS.build({**config[f"{split}_dataloader"].dataset, "lazy_init": True})
        head = getattr(model.decode_head, "kernel_generate_head", model.decode_head)
        assert head.num_classes == len(dataset.metainfo["classes"])
