"""Read from a dumped config what the tables show and compare: dataset, model, labels, schedule, crop, batch."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from mmseg_ext.errors import UserError
from mmseg_ext.escaping import printable
from mmseg_ext.points.label_budget import budget_of

from .config_source import base_name, parse_chunks, split_assignments
from .dataset_names import dataset_from_type, plain_type
from .records import MAX_STEP, Settings

RESUMED_KEY = "resumed_with_other"
"""Key by which a config lists the settings that were others before a resume."""

_NOT_COMPARED = re.compile(
    "randomness|seed|load_from|resume|resume_from|launcher|log_level|vis_backends|visualizer|default_hooks|custom_hooks|"
    "env_cfg|log_config|log_processor|checkpoint_config|dist_params|gpu_ids|device|work_dir"
)
_SEED = re.compile(r"\bseed=\d+")
_FOLD = re.compile(r"\bfold=\d+")


def read_settings(source: str) -> Settings:
    """Read the settings of a run from the text of its config.

    Args:
        source: A dumped config, of mmseg 1.x or 0.x, whole or cut; nothing in it is executed.
    """
    chunks = split_assignments(source)
    config = parse_chunks(chunks)
    settings = Settings(work_dir=_text(config.get("work_dir")))
    train, val = _datasets(config)
    _read_data(settings, config, train, val)
    _read_model(settings, config)
    _read_schedule(settings, config)
    _read_pipeline(settings, config, train)
    settings.resumed_with_other = ", ".join(map(_text, _list(config.get(RESUMED_KEY))))
    settings.fingerprint, settings.fold_fingerprint = _fingerprints(chunks)
    for item in fields(settings):
        value = getattr(settings, item.name)
        if isinstance(value, str):
            setattr(settings, item.name, printable(value))
    return settings


def _fingerprints(chunks: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """Return a digest of a config without its seed, and one without its seed and its fold."""
    without_seed, without_fold = hashlib.sha1(usedforsecurity=False), hashlib.sha1(usedforsecurity=False)
    for name, chunk in chunks:
        if not _NOT_COMPARED.fullmatch(name):
            seedless = _SEED.sub("seed=*", chunk)
            without_seed.update(seedless.encode("utf-8", "replace"))
            without_fold.update(_FOLD.sub("fold=*", seedless).encode("utf-8", "replace"))
    return without_seed.hexdigest(), without_fold.hexdigest()


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _int(value: Any) -> int | None:
    is_int = isinstance(value, int) and not isinstance(value, bool)
    return value if is_int and abs(value) < MAX_STEP else None


def _word(value: Any) -> str:
    """Write a text or a number; nothing for any other value and for an integer of many digits."""
    number = value if isinstance(value, float) else _int(value)
    return value if isinstance(value, str) else "" if number is None else str(number)


def _first_int(*values: Any) -> int | None:
    return next((value for value in map(_int, values) if value is not None), None)


def _nested(dataset: Any) -> dict[str, Any]:
    """Follow wrappers such as RepeatDataset down to a dataset with data of its own."""
    for _ in range(8):
        if isinstance(dataset, list):
            dataset = dataset[0] if dataset else {}
        inner = _dict(dataset)
        if "dataset" in inner:
            dataset = inner["dataset"]
        elif _list(inner.get("datasets")):
            dataset = inner["datasets"]
        else:
            return inner
    return {}


def _datasets(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the training and the validation dataset of either generation of configs."""
    data = _dict(config.get("data"))
    train = _nested(_dict(config.get("train_dataloader")).get("dataset") or data.get("train"))
    val = config.get("val_dataloader") or config.get("test_dataloader")
    return train, _nested(_dict(val).get("dataset") or data.get("val") or data.get("test"))


def _read_data(settings: Settings, config: Mapping[str, Any], train: dict[str, Any], val: dict[str, Any]) -> None:
    kind = _text(val.get("type")) or _text(train.get("type")) or _text(config.get("dataset_type"))
    dataset = train or val
    settings.dataset = dataset_from_type(kind, _text((val or train).get("data_root"))) if kind else ""
    factor = _int(dataset.get("factor"))
    if factor is None:
        match = re.search(r"_ds_?(\d+)\b", _text(dataset.get("data_root")))
        factor = int(match[1]) if match else None
    settings.factor = factor
    settings.train_data = _parts(train)
    folder = _dict(val.get("data_prefix")).get("img_path") or val.get("img_dir") or val.get("split")
    root = base_name(_text(val.get("data_root"))).lower()
    parts = [plain_type(kind), root, _text(folder), _parts(val)]
    test_cfg = _dict(_dict(config.get("model")).get("test_cfg"))
    mode = _text(test_cfg.get("mode"))
    if mode == "slide":
        mode = f"slide {_size(test_cfg.get('crop_size'))} stride {_size(test_cfg.get('stride'))}"
    settings.evaluated_on = ", ".join(part for part in [*parts, mode] if part)


def _parts(dataset: Mapping[str, Any]) -> str:
    """Name the part of a dataset: ``split train, fold 0, scenes urban``."""
    named = []
    for key in ("factor", "split", "fold", "scenes", "holdout", "ann_file"):
        value = dataset.get(key)
        text = "+".join(map(_word, value)) if isinstance(value, list) else _word(value)
        if text:
            named.append(f"{key} {text}")
    return ", ".join(named)


def _read_model(settings: Settings, config: Mapping[str, Any]) -> None:
    model = _dict(config.get("model"))
    if "backbone" not in model and "segmentor" in model:
        model = _dict(model["segmentor"])
    backbone = _dict(model.get("backbone"))
    kind = plain_type(_text(backbone.get("type")))
    archs = (_text(backbone.get(key)) for key in ("arch", "model_name", "encoder_name"))
    arch = next((name for name in archs if name), "")
    if arch and kind not in ("DINO", "TIMMBackbone"):
        kind = f"{kind} {arch}".strip()
    elif arch:
        kind = arch
    elif _int(backbone.get("depth")) is not None and kind.startswith("Res"):
        kind = f"{kind}-{backbone['depth']}"
    settings.backbone = kind
    heads = model.get("decode_head")
    names = [plain_type(_text(_dict(head).get("type"))) for head in (heads if isinstance(heads, list) else [heads])]
    kernel_head = _dict(_dict(heads).get("kernel_generate_head")).get("type")
    if _text(kernel_head):
        names.append(plain_type(_text(kernel_head)))
    settings.head = " + ".join(dict.fromkeys(name for name in names if name))


def _read_schedule(settings: Settings, config: Mapping[str, Any]) -> None:
    train_cfg, runner = _dict(config.get("train_cfg")), _dict(config.get("runner"))
    settings.max_steps = _first_int(train_cfg.get("max_iters"), runner.get("max_iters"), config.get("total_iters"))
    settings.max_epochs = _first_int(train_cfg.get("max_epochs"), runner.get("max_epochs"), config.get("total_epochs"))
    evaluation = _dict(config.get("evaluation"))
    settings.val_interval = _first_int(train_cfg.get("val_interval"), evaluation.get("interval"))
    if settings.max_epochs and not settings.max_steps:
        settings.val_interval = None
    batch = _first_int(
        _dict(config.get("train_dataloader")).get("batch_size"), _dict(config.get("data")).get("samples_per_gpu")
    )
    wrapper, old_wrapper = _dict(config.get("optim_wrapper")), _dict(config.get("optimizer_config"))
    accumulated = _first_int(wrapper.get("accumulative_counts"), old_wrapper.get("cumulative_iters"), 1)
    settings.batch_size = batch * (accumulated or 1) if batch is not None else None
    settings.num_gpus = len(_list(config.get("gpu_ids"))) or None
    settings.seed = _first_int(_dict(config.get("randomness")).get("seed"), config.get("seed"))


def _read_pipeline(settings: Settings, config: Mapping[str, Any], train: Mapping[str, Any]) -> None:
    """Read the label budget, from the dataset's `labels` or else its transforms, and the crop."""
    pipeline = [
        (plain_type(_text(transform.get("type"))), transform) for transform in _transforms(train.get("pipeline"))
    ]
    if pipeline or "labels" in train:
        settings.labels = _describe_labels(train)
    crops = [_size(step.get("crop_size")) for kind, step in pipeline if kind.endswith("RandomCrop")]
    preprocessor = _dict(_dict(config.get("model")).get("data_preprocessor"))
    settings.crop = crops[-1] if crops and crops[-1] else _size(preprocessor.get("size"))


def _describe_labels(train: Mapping[str, Any]) -> str:
    """Name the labels that a run trains on."""
    try:
        budget = budget_of(train)
        return "all" if budget is None else budget.describe(short=True)
    except (UserError, TypeError, ValueError):  # a config that was cut off, or of another program
        return "points"


def _transforms(pipeline: Any) -> Iterator[dict[str, Any]]:
    for transform in _list(pipeline):
        if isinstance(transform, list):
            yield from _transforms(transform)
        elif isinstance(transform, dict):
            yield transform
            yield from _transforms(transform.get("transforms"))


def _size(value: Any) -> str:
    """Write a size as ``HxW``; a single number is a square."""
    numbers = [_int(item) for item in (value if isinstance(value, list) else [value, value])]
    return f"{numbers[0]}x{numbers[1]}" if len(numbers) == 2 and None not in numbers else ""
