"""Raw files: what a sensor counted, with black, white, white balance, colour matrix and noise.

`read_all` reads camera files through LibRaw, `from_codes` takes arrays; `planes` makes Bayer planes in linear light of
either, `develop` linear sRGB of planes.
"""

from viewfinder.raw.developing import demosaic, develop
from viewfinder.raw.frame import PATTERNS, RawFrame, camera_to_srgb, from_codes, planes
from viewfinder.raw.reading import read_all

__all__ = ["PATTERNS", "RawFrame", "camera_to_srgb", "demosaic", "develop", "from_codes", "planes", "read_all"]
