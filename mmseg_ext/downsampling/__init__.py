"""Copies of datasets at a fraction of their resolution. Imports neither torch nor mmengine.

`reduce` holds the filters, `image_files` reads and writes files, `layouts` knows the trees of datasets, `copying` makes
the copies and `record` says what they are.
"""
