"""Redis's own format for data at rest: RDB files, and the payloads of DUMP.  Bytes in and out; nothing here opens a file."""
