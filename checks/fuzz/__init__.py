"""Hostile files for every reader: mutations of valid ones, by the thousand."""
