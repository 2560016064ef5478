"""Cases for Twisted's trial, on the real reactor: `python -m twisted.trial tests/trial`.  pytest runs them too."""
