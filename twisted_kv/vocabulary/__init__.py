"""The basic types and functions that all other packages use: replies, errors, numbers, patterns, time."""
