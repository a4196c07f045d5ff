"""A trained model applied: images, folders, rasters of any size; polygons; export.

Importing this package loads nothing heavy: ``from mmseg_ext import load_model`` needs neither torch nor mmseg.
"""
