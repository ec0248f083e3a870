"""The desktop program: devices, threads, commands and (under app/ui) the window."""

import matting_core as matting_core  # first of all: it bounds what OpenCV decodes
