"""mmseg's own Python API predicts with every leaf config."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from test_leaf_configs import CONFIGS, LEAVES

pytestmark = pytest.mark.usefixtures("mmseg_scope")
every_leaf = pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.relative_to(CONFIGS).as_posix())

SCRIPT = """
import sys
from mmseg.apis import MMSegInferencer, inference_model, init_model

leaf, image = sys.argv[1:]
print(inference_model(init_model(leaf, device="cpu"), image).pred_sem_seg.data.shape)
print(MMSegInferencer(leaf, device="cpu")(image)["predictions"].shape)
"""


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 30, 3), dtype=np.uint8)).save(path)
    return path


def small_config(path):
    """A leaf's config with a network that takes no time: the API's part is the pipeline."""
    config = Config.fromfile(path)
    config.merge_from_dict({"test_pipeline": config.test_dataloader.dataset.pipeline})
    config.model = {
        "type": "mmseg_ext.EncoderDecoder",
        "data_preprocessor": {"type": "SegDataPreProcessor", "size_divisor": 32, "test_cfg": {"size_divisor": 32}},
        "backbone": {
            "type": "ResNetV1c",
            "depth": 18,
            "stem_channels": 4,
            "base_channels": 4,
            "num_stages": 1,
            "strides": (1,),
            "dilations": (1,),
            "out_indices": (0,),
        },
        "decode_head": {
            "type": "FCNHead",
            "in_channels": 4,
            "channels": 4,
            "num_convs": 0,
            "concat_input": False,
            "num_classes": 3,
        },
        "test_cfg": {"mode": "whole"},
    }
    return config


@every_leaf
def test_every_leaf_predicts(path, image):
    from mmseg.apis import MMSegInferencer, inference_model, init_model

    assert "mmseg_ext." in str(Config.fromfile(path).model), "building the model imports the package"
    model = init_model(small_config(path), device="cpu")
    result = inference_model(model, str(image))
    assert result.pred_sem_seg.data.shape == (1, 24, 30)
    pixels = np.asarray(Image.open(image))[..., ::-1].copy()
    np.testing.assert_array_equal(inference_model(model, pixels).pred_sem_seg.data, result.pred_sem_seg.data)

    inferencer = MMSegInferencer(small_config(path), device="cpu", show_progress=False)
    inferencer.model.load_state_dict(model.state_dict())
    for given in (str(image), pixels):
        np.testing.assert_array_equal(inferencer(given)["predictions"], result.pred_sem_seg.data[0])


def test_a_script_that_knows_mmseg_alone_predicts(image, tmp_path):
    """Nothing of the package is imported before the config names it."""
    leaf = CONFIGS / "upernet" / "upernet_swin-t_1xb16-160k_ade20k-512x512.py"
    (tmp_path / "script.py").write_text(SCRIPT)
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "script.py", str(leaf), str(image)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(root), "PATH": "", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "torch.Size([1, 24, 30])" in done.stdout
    assert "(24, 30)" in done.stdout
