"""A dataset at a fraction of its resolution: is it the copy that is wanted, and where are the labels it was made of?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmseg_ext.downsampling.record import check_names, original_root, read_record
from mmseg_ext.errors import UserError


class DownsampledCopy:
    """A copy that tools/downsample.py has made; at factor 1 the original itself.

    Args:
        root: Where it lies.
        factor: What it has to be.
        layout: The kind of tree, as ``--layout`` calls it.
        source: Where the original lies by default, for the command that makes the copy.
        original: Where the original lies, if elsewhere than the copy's record says.
        verify: Whether to check the record; False takes the folder as it is.

    Raises:
        UserError: The copy or its record is missing, or is of another factor or kind.
    """

    def __init__(
        self, root: Path, factor: int, layout: str, source: str, original: str | Path | None = None, verify: bool = True
    ) -> None:
        self.root, self.factor = root, factor
        self.record: dict[str, Any] | None = None
        self.original = root if factor == 1 else Path(original or source)
        if factor > 1 and verify:
            self.record = read_record(root, factor, layout, source)
            if original is None:
                self.original = original_root(self.record, root)

    @property
    def image_suffixes(self) -> list[str]:
        """How images end where the original's end in .jpg; those of a copy may be PNG."""
        return [".jpg"] if self.factor == 1 else [".jpg", ".png"]

    def check_images(self, images: Sequence[Path]) -> None:
        """Check that all images of one folder are those of the record.

        Raises:
            UserError: They are not.
        """
        if self.record is not None and images:
            folder = images[0].parent.relative_to(self.root).as_posix()
            check_names(self.record, self.root, folder, [image.name for image in images])

    def original_roots(self, masks: Sequence[Path]) -> dict[str, str]:
        """Say for the metric where the copy lies and where its original; checks that the masks are there.

        Args:
            masks: The copy's masks that will be scored.

        Returns:
            ``{'copy': …, 'original': …}``: a mask has the same path below both.

        Raises:
            UserError: One of the original's masks is not there.
        """
        found = [self.original / mask.relative_to(self.root) for mask in masks]
        missing = [mask for mask in found if not mask.is_file()]
        if missing:
            raise UserError(
                f"Expected the original of every mask to score against, {len(missing)} of {len(found)} are missing, "
                f"such as {missing[0]}. Set `original_root` to the folder of the original dataset, or "
                "original_labels=False to score at the copy's own resolution alone."
            )
        return {"copy": str(self.root), "original": str(self.original)}
