"""Parse bytes into requests and replies, and encode them.  Nothing here uses a socket or the keyspace."""
