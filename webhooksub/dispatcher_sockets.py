"""What a dispatcher does with sockets, where it was given a transport for them."""

from collections.abc import Callable

from . import _core
from .authorizer import Authorizer
from .config import Config
from .listening import Listening
from .sockets import SocketDelivery, SocketTransport
from .store.base import Store


class DispatcherSockets:
    """The sockets' part of the dispatcher's face."""

    config: Config
    _store: Store
    _authorizer: Authorizer
    _clock: Callable[[], int]
    _transport: SocketTransport | None
    _sockets: SocketDelivery | None
    _listening: Listening

    @property
    def offers_sockets(self) -> bool:
        """Whether SOCKET subscriptions are taken: it was given `sockets`."""
        return self._transport is not None

    @property
    def listening(self) -> Listening:
        """Where an adapter of sockets tells of the connections of this process."""
        self._check_usable()
        return self._listening

    def _start_sockets(self, engine: _core.Engine) -> SocketDelivery | None:
        if self._transport is None:
            return None
        settings = self.config.sockets
        sockets = SocketDelivery(self._store, engine, self._transport, settings, self._clock)
        sockets.start()
        return sockets

    def _make_listening(self) -> Listening:
        return Listening(
            self._store.listeners,
            self._authorizer,
            self.config.sockets,
            self._clock,
            self._wake_sockets,
        )

    def _wake_sockets(self) -> None:
        if self._sockets is not None:
            self._sockets.wake()

    def _check_usable(self) -> None:
        raise NotImplementedError
