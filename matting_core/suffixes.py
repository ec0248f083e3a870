"""Which files are pictures and which are videos, by the ends of their names. Imports nothing."""

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm", ".pgm"})
ALPHA_SUFFIXES = frozenset({".png", ".webp", ".tif", ".tiff"})
"""The formats of those that keep alpha when they are written."""
COLOUR_SUFFIXES = IMAGE_SUFFIXES - {".pgm"}
MATTE_SUFFIXES = IMAGE_SUFFIXES - {".ppm"}
"""Those of them that results with colours, and mattes, can be written in."""
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif"})
