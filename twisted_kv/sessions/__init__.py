"""Sessions, and what all sessions share: the state that commands work on."""
