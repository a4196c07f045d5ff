import logging

from mmseg_ext.engine.screen_runner import is_shown


def test_warnings_reach_the_screen_and_stock_noise_does_not():
    def make(message):
        return logging.LogRecord("x", logging.WARNING, "", 0, message, None, None)

    assert is_shown(make("unexpected key in source state_dict: fc.weight"))
    assert not is_shown(make("The prefix is not set in metric class SegmentationMetric."))
