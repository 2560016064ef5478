"""Disks that fail, that forget, or that are a dict; and starts on what they hold."""
