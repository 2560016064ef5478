"""The commands, one module for each group of Redis's.

A command is a plain function that is given a session and words and returns a reply value.  To add one, write it in the
module of its group, with its declaration above it.  To add a group, add it to the tuple below.
"""

from twisted_kv.commands.clients import clients
from twisted_kv.commands.connection import connection
from twisted_kv.commands.generic import generic
from twisted_kv.commands.hashes import hashes
from twisted_kv.commands.info import info
from twisted_kv.commands.introspection import introspection
from twisted_kv.commands.server import server
from twisted_kv.commands.strings import strings

GROUPS = (strings, hashes, generic, connection, clients, server, introspection, info)
