"""Keys and what they hold: look-up, change and expiry.  Nothing here knows a command or a client."""
