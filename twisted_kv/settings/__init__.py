"""The settings of a cache: the table, how texts are parsed into values, and Redis's other settings."""
