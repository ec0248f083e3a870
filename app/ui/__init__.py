"""The window: the only place that imports PySide6. It reads the pipeline by polling and changes settings."""
