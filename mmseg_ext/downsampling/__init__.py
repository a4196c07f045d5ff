"""Copies of datasets at a fraction of their resolution. Imports neither torch nor mmengine.

`reduce` holds the filters, `image_files` decodes and encodes files, `layouts` lists the trees of datasets, `copying`
makes the copies, whose options `copies` names, and `record` describes them.
"""
