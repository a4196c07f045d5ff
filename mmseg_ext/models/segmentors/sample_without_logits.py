"""Samples of predictions whose logits were not kept."""

from typing import NoReturn

from mmseg.structures import SegDataSample

from mmseg_ext.errors import MissingLogitsError

LOGITS = "seg_logits"


class SampleWithoutLogits(SegDataSample):
    """A sample with a class map; reading ``seg_logits`` says which setting keeps them."""

    def __getattr__(self, name: str) -> NoReturn:
        """Explain a missing field; Python asks here for what the sample does not have."""
        if name == LOGITS:
            raise MissingLogitsError(
                "Expected `seg_logits` in a prediction, but they were not kept, which saves memory. Set "
                "model.keep_logits=True: --cfg-options model.keep_logits=True, or keep_logits=True in the config's "
                "mmseg_ext.EncoderDecoder."
            )
        raise AttributeError(f"{SegDataSample.__name__!r} object has no attribute {name!r}")


def without_logits(sample: SegDataSample) -> SegDataSample:
    """Turn a sample into a :class:`SampleWithoutLogits`, in place; one of a class of its own stays as it is."""
    if type(sample) is SegDataSample:
        sample.__class__ = SampleWithoutLogits
    return sample
