"""The version of owncache: the one place, which the build reads too."""

VERSION = "0.1.0"
