"""Public test suites, and the names of theirs that stand for classes and functions of this package."""

from dataclasses import dataclass, field

TRANSFORMS = {
    f"mmseg.datasets.transforms:{name}": f"mmseg_ext.transforms:{name}"
    for name in ("LoadAnnotations", "PackSegInputs", "PhotoMetricDistortion", "RandomCrop", "Resize")
} | {
    f"mmcv.transforms:{name}": f"mmseg_ext.transforms:{name}"
    for name in ("LoadImageFromFile", "RandomFlip", "RandomResize")
}


@dataclass(frozen=True)
class Suite:
    """Some test files of a project.

    Attributes:
        checkout: Folder of the project's sources.
        paths: Test files below it.
        replaced: Stock's objects and ours in their place, each ``module:name``.
        keyword: Which tests of these files use what is replaced, as for pytest's -k; empty for all.
        left_out: Tests that do not run, by node id, and why.
        search_path: Folders below the checkout that the tests import from.
        needs: Modules that the tests import and this package does not.
    """

    checkout: str
    paths: tuple[str, ...]
    replaced: dict[str, str]
    keyword: str = ""
    left_out: dict[str, str] = field(default_factory=dict)
    search_path: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


SUITES = {
    "transforms": Suite(
        "mmsegmentation",
        ("tests/test_datasets/test_transform.py",),
        TRANSFORMS,
        keyword="not biomedical and not albu",
    ),
    "loading": Suite("mmsegmentation", ("tests/test_datasets/test_loading.py",), TRANSFORMS, keyword="not biomedical"),
    "formatting": Suite("mmsegmentation", ("tests/test_datasets/test_formatting.py",), TRANSFORMS),
    "datasets": Suite(
        "mmsegmentation",
        ("tests/test_datasets/test_dataset.py", "tests/test_datasets/test_dataset_builder.py"),
        TRANSFORMS,
    ),
    "test_time_augmentation": Suite("mmsegmentation", ("tests/test_datasets/test_tta.py",), TRANSFORMS),
    "metrics": Suite(
        "mmsegmentation",
        ("tests/test_evaluation/test_metrics/test_iou_metric.py",),
        {"mmseg.evaluation:IoUMetric": "mmseg_ext.evaluation:SegmentationMetric"},
    ),
    "heads": Suite(
        "mmsegmentation",
        (
            "tests/test_models/test_heads/test_fcn_head.py",
            "tests/test_models/test_heads/test_uper_head.py",
            "tests/test_models/test_heads/test_mask2former_head.py",
        ),
        {
            "mmseg.models.decode_heads:FCNHead": "mmseg_ext.models.heads:PointFCNHead",
            "mmseg.models.decode_heads:UPerHead": "mmseg_ext.models.heads:PointUPerHead",
            "mmseg.models.decode_heads:Mask2FormerHead": "mmseg_ext.models.heads:Mask2FormerHead",
        },
    ),
    "segmentors": Suite(
        "mmsegmentation",
        (
            "tests/test_models/test_segmentors/test_encoder_decoder.py",
            "tests/test_models/test_segmentors/test_seg_tta_model.py",
        ),
        {
            "mmseg.models.segmentors:EncoderDecoder": "mmseg_ext.models.segmentors:EncoderDecoder",
            "mmseg.models.segmentors:SegTTAModel": "mmseg_ext.models.segmentors:SegTTAModel",
        },
    ),
    "sparse_segmentors": Suite(
        "mmsegmentation",
        (
            "tests/test_models/test_segmentors/test_encoder_decoder.py",
            "tests/test_models/test_segmentors/test_seg_tta_model.py",
        ),
        {
            "mmseg.models.segmentors:EncoderDecoder": "mmseg_ext.models.segmentors:SparseEncoderDecoder",
            "mmseg.models.segmentors:SegTTAModel": "mmseg_ext.models.segmentors:SegTTAModel",
        },
    ),
    "forward": Suite(
        "mmsegmentation",
        ("tests/test_models/test_forward.py",),
        {"mmseg.models.segmentors:EncoderDecoder": "adapters:ScoredEncoderDecoder"},
    ),
    "optimizers": Suite(
        "mmsegmentation",
        (
            "tests/test_engine/test_layer_decay_optimizer_constructor.py",
            "tests/test_engine/test_optimizer.py",
        ),
        {
            f"mmseg.engine.optimizers:{name}": "adapters:AnyDecayRate"
            for name in ("LayerDecayOptimizerConstructor", "LearningRateDecayOptimizerConstructor")
        },
        left_out={
            "tests/test_engine/test_layer_decay_optimizer_constructor.py"
            "::test_learning_rate_decay_optimizer_constructor": (
                "its ConvNeXt has parameters that are no block, embedding or norm of a ConvNeXt; ours refuses them"
            )
        },
    ),
    "mmcv_transforms": Suite(
        "mmcv",
        (
            "tests/test_transforms/test_transforms_loading.py",
            "tests/test_transforms/test_transforms_processing.py",
        ),
        {
            f"mmcv.transforms:{name}": f"mmseg_ext.transforms:{name}"
            for name in ("LoadImageFromFile", "RandomFlip", "RandomResize", "Resize")
        },
        left_out={
            f"tests/test_transforms/test_transforms_processing.py::{test}": (
                "mmseg's transforms, and ours, find label maps by seg_fields; mmcv's know gt_seg_map alone"
            )
            for test in ("TestResize::test_resize", "TestRandomFlip::test_transform")
        },
    ),
    "deformable_attention": Suite(
        "mmcv",
        ("tests/test_ops/test_ms_deformable_attn.py",),
        {
            "mmcv.ops.multi_scale_deform_attn:MultiScaleDeformableAttention": (
                "mmseg_ext.models.layers:MultiScaleDeformableAttention"
            ),
            "mmcv.ops.multi_scale_deform_attn:multi_scale_deformable_attn_pytorch": (
                "mmseg_ext.models.layers.deformable_attention:multi_scale_deformable_attention"
            ),
        },
    ),
    "confusion_matrices": Suite(
        "torchmetrics",
        (
            "tests/unittests/classification/test_confusion_matrix.py",
            "tests/unittests/classification/test_jaccard.py",
        ),
        {
            "torchmetrics.functional.classification.confusion_matrix:multiclass_confusion_matrix": (
                "adapters:multiclass_confusion_matrix"
            ),
            "torchmetrics.functional.classification.jaccard:multiclass_jaccard_index": (
                "adapters:multiclass_jaccard_index"
            ),
        },
        # Averages over pixels and weighted by classes are not scores of ours.
        keyword="Multiclass and functional and not micro and not weighted",
        search_path=("src", "tests"),
        needs=("lightning_utilities", "cachier"),
    ),
    "run_lengths": Suite(
        "cocoapi",
        ("tests/test_cases.py",),
        {"pycocotools.mask:encode": "adapters:encode", "pycocotools.mask:decode": "adapters:decode"},
        needs=("pycocotools",),
    ),
}
