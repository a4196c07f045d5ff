"""The configs on Swin against mmseg's own: the same network, trained in the same way."""

import re
from pathlib import Path

import mmseg
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmseg.registry import MODELS

from mmseg_ext.engine.launch import replace_sync_batchnorm

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
STOCK = Path(mmseg.__file__).parent / ".mim" / "configs"
STOCK_OF = {
    "knet/knet-s3_swin-l_upernet_1xb16-adamw-80k_ade20k-512x512.py": (
        "knet/knet-s3_swin-l_upernet_8xb2-adamw-80k_ade20k-512x512.py"
    ),
    "mask2former/mask2former_swin-s_1xb16-160k_ade20k-512x512.py": (
        "mask2former/mask2former_swin-s_8xb2-160k_ade20k-512x512.py"
    ),
    "upernet/upernet_swin-t_1xb16-160k_ade20k-512x512.py": (
        "swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py"
    ),
}
SMALLER = """
_base_ = "{leaf}"
factor = {factor}
train_dataloader = dict(dataset=dict(factor=factor))
val_dataloader = dict(dataset=dict(factor=factor))
test_dataloader = val_dataloader
"""  # as docs/heads.md and docs/resolution.md show it

pytestmark = pytest.mark.usefixtures("mmseg_scope")
both = pytest.mark.parametrize(("path", "stock_path"), STOCK_OF.items(), ids=lambda p: Path(p).stem)


@pytest.fixture
def uninitialised(monkeypatch):
    """Parameters are left as memory was: quick, and memory that nothing writes to is not taken."""
    for layer in (torch.nn.Linear, torch.nn.Embedding, torch.nn.modules.conv._ConvNd, torch.nn.MultiheadAttention):
        name = "_reset_parameters" if layer is torch.nn.MultiheadAttention else "reset_parameters"
        monkeypatch.setattr(layer, name, lambda self: None)


def load(path, stock_path):
    return Config.fromfile(CONFIGS / path), Config.fromfile(STOCK / stock_path)


def build(config):
    replace_sync_batchnorm(config)
    model = MODELS.build({**config.model, "pretrained": None})
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    settings = {}
    for group in wrapper.optimizer.param_groups:
        kept = {key: group[key] for key in ("lr", "betas", "eps", "weight_decay")}
        settings.update({names[id(parameter)]: kept for parameter in group["params"]})
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    return shapes, settings, (type(wrapper.optimizer), wrapper.clip_grad_kwargs), model


@both
def test_every_parameter_has_mmsegs_name_shape_rate_and_decay(path, stock_path, uninitialised):
    ours, theirs = map(build, load(path, stock_path))
    assert ours[0] == theirs[0]
    assert len(ours[0]) > 200
    assert ours[1] == theirs[1]
    assert ours[2] == theirs[2]
    parts = [
        [(name, type(m).__name__, m.extra_repr()) for name, m in model.named_modules() if not list(m.children())]
        for model in (ours[3], theirs[3])
    ]
    assert parts[0] == parts[1], "dropout, activations, strides and the like"
    rates = {(s["lr"], s["weight_decay"]) for s in ours[1].values()}
    assert len(rates) == (2 if "mask2former" not in path else 4)


@both
def test_the_schedule_is_mmsegs(path, stock_path):
    ours, theirs = load(path, stock_path)

    def schedule(config):
        schedulers = [dict(sorted(scheduler.items())) for scheduler in config.param_scheduler]
        return config.train_cfg.max_iters, config.train_cfg.val_interval, schedulers

    assert schedule(ours) == schedule(theirs)
    assert ours.train_dataloader.batch_size == 8 * theirs.train_dataloader.batch_size == 16
    assert ours.auto_scale_lr == {"enable": True, "base_batch_size": 16}


@both
def test_losses_data_and_testing_are_mmsegs(path, stock_path):
    ours, theirs = load(path, stock_path)
    assert ours.model.data_preprocessor == theirs.model.data_preprocessor
    assert ours.model.test_cfg == theirs.model.test_cfg
    stock_weights = theirs.model.get("pretrained") or theirs.model.backbone.init_cfg.checkpoint
    assert ours.model.backbone.init_cfg == {"type": "Pretrained", "checkpoint": stock_weights}

    def losses(node, trail=()):
        """Every setting below a key that begins with loss_ or is train_cfg, by its path."""
        if isinstance(node, dict):
            items = node.items()
        elif isinstance(node, (list, tuple)):
            items = enumerate(node)
        else:
            if any(str(part).startswith(("loss_", "train_cfg")) for part in trail):
                yield trail, node
            return
        for key, value in items:
            yield from losses(value, (*trail, key))

    assert dict(losses(ours.model)) == dict(losses(theirs.model)) != {}
    for split in ("train", "val"):
        pipelines = [
            [
                # Drop-ins bear the stock name and return the same; reduce_zero_label is the dataset's own setting here.
                {**{k: v for k, v in step.items() if k != "reduce_zero_label"}, "type": step.type.rpartition(".")[2]}
                for step in config[f"{split}_dataloader"].dataset.pipeline
            ]
            for config in (ours, theirs)
        ]
        assert pipelines[0] == pipelines[1]


@both
def test_the_docstring_names_the_stock_config_and_what_differs(path, stock_path):
    text = (CONFIGS / path).read_text()
    assert Path(stock_path).name in text
    published = {"knet": "52.05", "mask2former": "51.24", "upernet": "44.41"}[path.partition("/")[0]]
    assert f"mmseg publishes {published} mIoU" in text
    metafile = (STOCK / stock_path).with_name("metafile.yaml").read_text()
    entry = metafile.split(f"- Name: {Path(stock_path).stem}\n")[1]
    assert re.search(r"mIoU: (\S+)", entry)[1] == published
    ours, theirs = load(path, stock_path)
    with_cp = ours.model.backbone.get("with_cp", False) != theirs.model.backbone.get("with_cp", False)
    assert with_cp == ("`with_cp`" in text)
    other_head = ours.model.decode_head.type != theirs.model.decode_head.type
    assert other_head == (f"`{ours.model.decode_head.type}`" in text)


@pytest.mark.parametrize("path", STOCK_OF, ids=lambda p: Path(p).stem)
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_another_factor_changes_the_data_alone(path, factor, tmp_path):
    leaf = tmp_path / Path(path).name.replace("ade20k-", f"ade20kds{factor}-")
    leaf.write_text(SMALLER.format(leaf=CONFIGS / path, factor=factor))
    full, smaller = Config.fromfile(CONFIGS / path), Config.fromfile(leaf)
    assert smaller.factor == factor
    for split in ("train", "val", "test"):
        dataset = smaller[f"{split}_dataloader"].dataset
        assert dataset.pop("factor") == factor
        assert full[f"{split}_dataloader"].dataset.pop("factor") == 1
        assert smaller[f"{split}_dataloader"] == full[f"{split}_dataloader"]
    for name in ("model", "optim_wrapper", "param_scheduler", "train_cfg", "auto_scale_lr", "default_hooks"):
        assert smaller[name] == full[name]
