"""The settings of a cache: what there is, how texts become values, and what Redis has besides."""
