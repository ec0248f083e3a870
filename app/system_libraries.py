"""Shared libraries that pip cannot bring on Linux, by Debian package. The set-up scripts use it, too: no imports."""

ALWAYS = {
    "libglib-2.0.so.0": "libglib2.0-0",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxcb.so.1": "libxcb1",
}
"""opencv-python and Qt do not load without these, window or not."""

WINDOW = {
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
}
"""Qt cannot open a window on X11 without these."""


def missing(libraries: dict[str, str]) -> tuple[str, ...]:
    """The Debian packages of those libraries that the loader really cannot load, in order."""
    import ctypes

    packages = []
    for library, package in libraries.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            packages.append(package)
    return tuple(packages)
