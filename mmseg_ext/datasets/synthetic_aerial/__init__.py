"""A small generated aerial dataset in LoveDA's layout, for demos and tests without a download.

Every picture is drawn by code: fields with furrows, woods of tree crowns, water, roads, buildings that cast shadows,
bare ground and lawns, seen through haze, blur and sensor noise. Class colours overlap on purpose (brown roofs, bare
ground and ploughed land; grey roofs, yards and asphalt; dark crops and woods), so that colour alone does not solve it.

Labels are LoveDA's: 0 no data, 1 background, 2 building, 3 road, 4 water, 5 barren, 6 forest, 7 agriculture.

The same arguments give the same bytes on every machine. Whoever changes the drawing keeps to what makes this hold:

- Only operations that IEEE 754 defines exactly are used (+, -, *, /, sqrt, comparisons, one at a time; no sin, exp,
  matrix products or float sums), and only the integer-based draws of PCG64.
- Arrays are float32, and a Python float does not widen them. A mask of bools is scaled by an ``np.float32``, since a
  Python float would make it float64.
- The order of the draws is part of the picture.
- PNG files have stored (not compressed) blocks, since compressed bytes differ between zlib builds.
- A change of the drawing raises `REVISION` in generator.py.
"""

from mmseg_ext.datasets.synthetic_aerial.generator import generate_synthetic_aerial
from mmseg_ext.datasets.synthetic_aerial.scene import draw_scene

__all__ = ["draw_scene", "generate_synthetic_aerial"]
