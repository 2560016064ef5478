"""The commands, one module for each of Redis's groups.

A command is a plain function that takes a session and arguments, and returns a reply value.  To add one, write it in
the module of its group, with its declaration above it.  To add a group, add it to the tuple below.
"""

from twisted_kv.commands import client_tracking  # noqa: F401 - adds subcommands to those of `clients`
from twisted_kv.commands.bitmaps import bitmaps
from twisted_kv.commands.clients import clients
from twisted_kv.commands.connection import connection
from twisted_kv.commands.debugging import debugging
from twisted_kv.commands.functions import functions
from twisted_kv.commands.generic import generic
from twisted_kv.commands.geo import geo
from twisted_kv.commands.hashes import hashes
from twisted_kv.commands.hyperloglogs import hyperloglogs
from twisted_kv.commands.info import info
from twisted_kv.commands.introspection import introspection
from twisted_kv.commands.lists import lists
from twisted_kv.commands.objects import memory, objects
from twisted_kv.commands.pubsub import pubsub
from twisted_kv.commands.scripting import scripting
from twisted_kv.commands.server import server
from twisted_kv.commands.sets import sets
from twisted_kv.commands.sorted_set_operations import sorted_set_operations
from twisted_kv.commands.sorted_set_ranges import sorted_set_ranges
from twisted_kv.commands.sorted_sets import sorted_sets
from twisted_kv.commands.sorting import sorting
from twisted_kv.commands.stream_groups import stream_groups
from twisted_kv.commands.stream_info import stream_info
from twisted_kv.commands.streams import streams
from twisted_kv.commands.strings import strings
from twisted_kv.commands.subsequences import subsequences
from twisted_kv.commands.transactions import transactions

GROUPS = (
    strings,
    subsequences,
    lists,
    sets,
    sorted_sets,
    sorted_set_ranges,
    sorted_set_operations,
    hashes,
    bitmaps,
    hyperloglogs,
    geo,
    streams,
    stream_groups,
    stream_info,
    generic,
    sorting,
    objects,
    transactions,
    pubsub,
    scripting,
    functions,
    connection,
    clients,
    server,
    memory,
    debugging,
    introspection,
    info,
)
