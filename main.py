"""Mattecam's front door: hands the command line to app.cli."""

from app.cli import leave

if __name__ == "__main__":
    leave()
