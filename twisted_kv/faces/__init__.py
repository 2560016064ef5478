"""The faces of a cache: streams, datagrams, calls in process; and the ports they listen on."""
