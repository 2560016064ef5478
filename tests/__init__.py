"""The tests of owncache.  A package, so that two files may bear one name in two folders, and for trial."""
