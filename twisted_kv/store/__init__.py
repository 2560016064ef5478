"""Keys and their values: look-up, change and expiry.  Nothing here depends on commands or clients."""
