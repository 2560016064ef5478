"""The tests.  A package, because trial loads cases from packages only."""

from __future__ import annotations

import os
import sys

# What the tests share, as `parsing`, is imported by its bare name.
sys.path.insert(0, os.path.dirname(__file__))
