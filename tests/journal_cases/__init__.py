"""What is noted in the log of each request that writes: the cases of test_journal.py, by type."""
