"""Measurements beside other programs: commands to run by hand, which pytest does not collect."""
