"""The formats of points of other programs, one file a format; :mod:`mmseg_ext.points.foreign_formats` chooses."""
