"""Redis's format for data at rest: RDB files and the payloads of DUMP.  Nothing here opens a file."""
