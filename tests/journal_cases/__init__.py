"""What each command that writes is noted as in the log, by type."""
