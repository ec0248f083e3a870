"""A guest machine with a real webcam driver and virtual cameras, and what Mattecam must do there; see README.md."""
