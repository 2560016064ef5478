"""What everything else speaks of: replies, errors, numbers, patterns, time."""
