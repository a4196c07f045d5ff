"""Facts read off a config."""

from collections.abc import Mapping


def pipeline_of(dataset: Mapping) -> list[dict]:
    """Return the pipeline of a dataset's config, looking into RepeatDataset, ConcatDataset and their like.

    Args:
        dataset: The value of ``dataset`` in a dataloader's config.

    Example:
        >>> pipeline_of({'type': 'RepeatDataset', 'dataset': {'pipeline': [{'type': 'LoadImageFromFile'}]}})
        [{'type': 'LoadImageFromFile'}]
    """
    while "pipeline" not in dataset:
        inner = dataset.get("dataset") or dataset.get("datasets")
        if not inner:
            return []
        dataset = inner[0] if isinstance(inner, (list, tuple)) else inner
    return list(dataset["pipeline"])
