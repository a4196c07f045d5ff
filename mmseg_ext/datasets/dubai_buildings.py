"""The Dubai aerial images, buildings against the rest."""

from mmseg_ext.datasets.dubai_aerial import DubaiAerialDataset
from mmseg_ext.registry import DATASETS


@DATASETS.register_module()
class DubaiBuildingsDataset(DubaiAerialDataset):
    """`DubaiAerialDataset` with two classes: all that is labelled and no building is 'rest'.

    The masks stay as they are: load them with ``mmseg_ext.LoadGroupedColorAnnotations``, the colours of land, road,
    vegetation and water first, then that of building.
    """

    METAINFO = {"classes": ("rest", "building"), "palette": [[0xE6, 0xE6, 0xE6], [0x3C, 0x10, 0x98]]}
