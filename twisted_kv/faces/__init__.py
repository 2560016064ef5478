"""The faces of a cache: streams, datagrams, calls in process; and the ports that they are behind."""
