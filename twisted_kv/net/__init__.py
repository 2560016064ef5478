"""The network faces: thin protocols that know bytes, Twisted, and the dispatch service."""
