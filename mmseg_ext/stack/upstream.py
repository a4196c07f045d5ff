"""What the package relies on in the stack beyond its public interface.

Private names, internals of modules, and functions that are replaced. A new version of the stack may drop any of them;
tests/stack/test_upstream.py then names it, and fails as well where the package uses a private name that is not listed.
"""

from typing import NamedTuple


class UpstreamName(NamedTuple):
    """One name of the stack.

    Attributes:
        name: Dotted, as it is imported; attributes of instances under their class.
        used_by: Module of the package, without ``mmseg_ext.``.
        why: What it is needed for.
        parameters: The parameters that the package relies on, in order; empty where it calls or replaces nothing.
    """

    name: str
    used_by: str
    why: str
    parameters: str = ""


UPSTREAM_NAMES = (
    # torch
    UpstreamName(
        "torch.serialization.load", "stack.safe_checkpoints", "replaced: checks each file first", "f map_location"
    ),
    UpstreamName("torch._C.PyTorchFileReader", "stack.checkpoint_check", "reads the records that torch.load will read"),
    UpstreamName(
        "torch._utils._rebuild_tensor_v2",
        "stack.pickle_stand_ins",
        "tensors in checkpoints",
        "storage storage_offset size stride requires_grad backward_hooks metadata",
    ),
    UpstreamName(
        "torch._utils._rebuild_tensor_v3",
        "stack.pickle_stand_ins",
        "tensors of types without a storage class",
        "storage storage_offset size stride requires_grad backward_hooks dtype metadata",
    ),
    UpstreamName(
        "torch._utils._rebuild_parameter",
        "stack.pickle_stand_ins",
        "parameters in checkpoints",
        "data requires_grad backward_hooks",
    ),
    UpstreamName(
        "torch._utils._rebuild_parameter_with_state",
        "stack.pickle_stand_ins",
        "parameters with attributes",
        "data requires_grad backward_hooks state",
    ),
    UpstreamName(
        "torch._tensor._rebuild_from_type_v2",
        "stack.pickle_stand_ins",
        "tensors with attributes",
        "func new_type args state",
    ),
    UpstreamName("torch.nn.Module._buffers", "models.backbones.dino_vit", "whether the rotation periods are a buffer"),
    UpstreamName(
        "torch.nn.Module._non_persistent_buffers_set",
        "models.backbones.trained_state",
        "which buffers belong to the state; also changed by models.backbones.dino_vit",
    ),
    # NumPy
    UpstreamName("numpy._core.multiarray._reconstruct", "stack.pickle_stand_ins", "arrays in checkpoints"),
    UpstreamName("numpy._core.multiarray.scalar", "stack.pickle_stand_ins", "numbers in checkpoints"),
    # timm and the Hugging Face hub
    UpstreamName(
        "timm.models._builder.load_pretrained",
        "stack.downloads",
        "replaced: explains a failed download",
        "model pretrained_cfg",
    ),
    UpstreamName(
        "timm.models.vision_transformer.VisionTransformer._pos_embed",
        "models.backbones.dino_vit",
        "adds class token and positions",
        "self x",
    ),
    UpstreamName(
        "timm.models.eva.Eva._pos_embed", "models.backbones.dino_vit", "also returns the rotations of DINOv3", "self x"
    ),
    UpstreamName("huggingface_hub.constants.HF_HUB_OFFLINE", "stack.downloads", "set where the hub cannot be reached"),
    # mmengine
    UpstreamName(
        "mmengine.runner.checkpoint._safe_torch_load",
        "stack.safe_checkpoints",
        "replaced: it falls back to running code",
        "file map_location weights_only",
    ),
    UpstreamName("mmengine.runner.checkpoint.load_url", "stack.downloads", "replaced: explains a failed download"),
    UpstreamName(
        "mmengine.runner.checkpoint.load_from_local",
        "stack.missing_weights",
        "called by its replacement, which explains a missing file",
        "filename map_location",
    ),
    UpstreamName(
        "mmengine.runner.checkpoint.find_latest_checkpoint",
        "stack.own_checkpoints",
        "replaced: only files of the work dir count",
        "path",
    ),
    UpstreamName(
        "mmengine.hooks.CheckpointHook.before_train",
        "stack.own_checkpoints",
        "replaced: reads the best checkpoint's path from the message hub",
        "self runner",
    ),
    UpstreamName(
        "mmengine.config.Config.fromstring",
        "stack.config_text",
        "replaced: the text of a checkpoint is data",
        "cfg_str file_format",
    ),
    UpstreamName("mmengine.config.Config._cfg_dict", "engine.launch", "visits all nested settings"),
    UpstreamName("mmengine.config.config.is_installed", "stack.pip_install", "replaced: nothing is installed"),
    UpstreamName(
        "mmengine.utils.package_utils.install_package",
        "stack.pip_install",
        "replaced: nothing is installed",
        "package",
    ),
    UpstreamName("mmengine.utils.package_utils.is_installed", "stack.pip_install", "the check itself", "package"),
    UpstreamName("mmengine.config.utils.MODULE2PACKAGE", "stack.pip_install", "distributions by module"),
    UpstreamName(
        "mmengine.logging.logger.print_log",
        "stack.stock_warnings",
        "replaced: does not print below INFO",
        "msg logger level",
    ),
    UpstreamName("mmengine.logging.MMLogger._instance_dict", "stack.stock_warnings", "whether there is a logger yet"),
    UpstreamName("mmengine.logging.HistoryBuffer._log_history", "stack.pickle_stand_ins", "values in checkpoints"),
    UpstreamName("mmengine.logging.HistoryBuffer._count_history", "stack.pickle_stand_ins", "counts in checkpoints"),
    UpstreamName("mmengine.runner.Runner._train_loop", "engine.run_progress", "the loop where it is built already"),
    UpstreamName("mmengine.runner.Runner._resume", "engine.hooks.random_state_hook", "whether a checkpoint is resumed"),
    UpstreamName(
        "mmengine.hooks.CheckpointHook._save_checkpoint_with_step",
        "stack.saved_checkpoints",
        "replaced: removes old checkpoints last",
        "self runner step meta",
    ),
    UpstreamName(
        "mmengine.hooks.CheckpointHook._save_best_checkpoint",
        "stack.saved_checkpoints",
        "replaced: removes old checkpoints last",
        "self runner metrics",
    ),
    UpstreamName("mmengine.runner.Runner._val_loop", "engine.hooks.data_check_hook", "likewise"),
    UpstreamName("mmengine.runner.Runner._test_loop", "engine.hooks.data_check_hook", "likewise"),
    UpstreamName(
        "mmengine.visualization.Visualizer._vis_backends",
        "engine.hooks.validation_pictures_hook",
        "which services pictures are sent to",
    ),
    UpstreamName(
        "mmengine.visualization.WandbVisBackend._init_env",
        "engine.vis_backends.wandb_vis_backend",
        "overridden: defines the step axis",
        "self",
    ),
    UpstreamName(
        "mmengine.visualization.WandbVisBackend._wandb", "engine.vis_backends.wandb_vis_backend", "the wandb module"
    ),
    UpstreamName(
        "mmengine.visualization.WandbVisBackend._commit", "engine.vis_backends.wandb_vis_backend", "passed to wandb.log"
    ),
    UpstreamName("mmengine.dataset.BaseDataset._metainfo", "datasets.binary_mask", "classes that files determine"),
    UpstreamName(
        "mmengine.dataset.InfiniteSampler._infinite_indices",
        "engine.samplers.rare_class_sampler",
        "overridden: draws rare classes",
        "self",
    ),
    UpstreamName(
        "mmengine.dataset.InfiniteSampler._indices_of_rank",
        "engine.samplers.rare_class_sampler",
        "the indices of one process",
        "self",
    ),
    # mmcv
    UpstreamName("mmcv._ext", "stack.compiled_ops", "its compiled ops, or the stand-in for them"),
    UpstreamName(
        "mmcv.transforms.RandomFlip._flip_bbox", "transforms.random_flip", "boxes", "self bboxes img_shape direction"
    ),
    UpstreamName(
        "mmcv.transforms.RandomFlip._flip_seg_map",
        "transforms.random_flip",
        "overridden: faster",
        "self seg_map direction",
    ),
    UpstreamName("mmcv.transforms.Resize._resize_img", "transforms.resize", "overridden: faster", "self results"),
    # mmseg
    UpstreamName(
        "mmseg.apis.utils._preprare_data",
        "stack.inference_api",
        "replaced: takes only steps named LoadAnnotations out of a pipeline",
        "imgs model",
    ),
    UpstreamName(
        "mmseg.apis.MMSegInferencer._init_pipeline",
        "stack.inference_api",
        "replaced: finds only a step named LoadImageFromFile",
        "self cfg",
    ),
    UpstreamName(
        "mmseg.models.losses.accuracy.accuracy",
        "stack.binary_accuracy",
        "replaced: is wrong for one channel",
        "pred target topk thresh ignore_index",
    ),
    UpstreamName(
        "mmseg.models.decode_heads.decode_head.BaseDecodeHead._transform_inputs",
        "models.heads.linear_head",
        "selects and resizes the backbone's features",
        "self inputs",
    ),
    UpstreamName(
        "mmseg.models.decode_heads.decode_head.BaseDecodeHead._stack_batch_gt",
        "models.heads.point_supervision",
        "label maps of a batch",
        "self batch_data_samples",
    ),
    UpstreamName(
        "mmseg.models.EncoderDecoder._forward",
        "models.segmentors.sparse_encoder_decoder",
        "overridden: the teacher may predict",
        "self inputs data_samples",
    ),
    UpstreamName(
        "mmseg.models.SegDataPreProcessor._enable_normalize",
        "models.segmentors.sparse_encoder_decoder",
        "whether colours were normalised",
    ),
    UpstreamName(
        "mmseg.models.SegDataPreProcessor._channel_conversion",
        "features.feature_segmentor",
        "whether channels were swapped, to swap them back",
    ),
    UpstreamName(
        "mmseg.datasets.transforms.LoadAnnotations._load_seg_map",
        "transforms.load_annotations",
        "overridden: faster, and checks the file",
        "self results",
    ),
    UpstreamName("mmseg.datasets.transforms.RandomFlip._flip", "transforms.random_flip", "overridden", "self results"),
    UpstreamName(
        "mmseg.datasets.transforms.Resize._resize_seg",
        "transforms.resize",
        "overridden: safe for points",
        "self results",
    ),
)
