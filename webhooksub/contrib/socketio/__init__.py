"""SOCKET subscriptions by socket.io: each notification is an event that the client acknowledges.

::

    sockets = Sockets()
    hooks = Dispatcher("sqlite:///hooks.db", authorizer=authorizer, sockets=sockets)
    app = asgi.socket_app(sockets, hooks, actor)            # or wsgi.socket_app

With several processes each gets ``Sockets(redis="redis://…")``: python-socketio's own manager
carries events to the process that has the client, and its acknowledgement back.
"""

from .transport import CHANNEL, NAMESPACE, Sockets

__all__ = ["CHANNEL", "NAMESPACE", "Sockets"]
