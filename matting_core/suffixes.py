"""Which files are pictures and which are videos, by the ends of their names. Imports nothing."""

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm", ".pgm"})
ALPHA_SUFFIXES = frozenset({".png", ".webp", ".tif", ".tiff"})
"""The formats of those that keep alpha when they are written."""
WRITTEN_SUFFIXES = IMAGE_SUFFIXES - {".ppm", ".pgm"}
"""Those of them that a result is written in: of these two, one has no colours and the other nothing else."""
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif"})
