"""Persistence: snapshots, the append-only file (AOF), and loading them at the start."""
