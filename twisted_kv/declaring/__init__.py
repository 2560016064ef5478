"""Command declarations, and the command table.

How a program adds a command of its own:

    from twisted_kv.declaring import Group, first

    own = Group("own")

    @own.command("GETTWICE", flags="readonly fast", keys=first("RO access"), since="1.0.0")
    def gettwice(session, key):
        '''Return the string value of a key twice.'''
        value = session.db.read_as(key, bytes)
        return [value, value]
"""

from twisted_kv.declaring.arguments import integer
from twisted_kv.declaring.commands import InTransaction, KeySpec, Lasting
from twisted_kv.declaring.groups import Group, counted, every, first, second

__all__ = ["Group", "InTransaction", "KeySpec", "Lasting", "counted", "every", "first", "integer", "second"]
