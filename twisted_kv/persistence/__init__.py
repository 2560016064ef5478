"""What outlasts the process: snapshots, the append-only file, and how they are found again."""
