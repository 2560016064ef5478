"""Files in Redis's format, made by hand."""
