"""Images of known sizes and orientations, without files."""

from mmseg_ext.masks.orientation import turn_point


class MadeFrames:
    """Frames by name: (height, width as shown, EXIF orientation)."""

    def __init__(self, frames):
        self.frames = frames
        self.names = list(frames)

    def size(self, name):
        return self.frames[name][:2]

    def turn(self, name, x, y):
        height, width, orientation = self.frames[name]
        return turn_point(x, y, (height, width), orientation)

    def locate(self, places, crs):
        raise AssertionError("no format of these tests is on the map")
