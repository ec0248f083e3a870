"""The matting library: frames and mattes in, composited pictures out. No Qt, no devices, no threads."""
