"""A web server that counts visits in a cache in the same process, which Redis clients can reach too.

    twistd -ny examples/embed.tac
    curl http://127.0.0.1:8080/hello
    redis-cli -p 6379 GET visits:/hello
"""

from twisted.application.internet import TCPServer
from twisted.application.service import Application
from twisted.web.resource import Resource
from twisted.web.server import Site

from twisted_kv import CacheService

application = Application("visits")
cache = CacheService(port=6379)
cache.setServiceParent(application)


class Visits(Resource):
    """Counts the requests for each path."""

    isLeaf = True

    def render_GET(self, request):
        count = cache.call("INCR", b"visits:" + request.path)
        request.setHeader(b"content-type", b"text/plain")
        return b"visit number %d to %b\n" % (count, request.path)


TCPServer(8080, Site(Visits()), interface="127.0.0.1").setServiceParent(application)
