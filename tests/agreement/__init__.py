"""Comparisons with a real redis-server: nobody writes the expected values, the other server gives them."""
