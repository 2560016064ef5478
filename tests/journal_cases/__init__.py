"""What is noted of each request of a type, for test_journal.py."""
