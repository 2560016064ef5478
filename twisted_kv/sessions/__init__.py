"""Who is asking, and what all who ask share: the state that commands work on."""
