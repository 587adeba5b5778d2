"""How a client says who it is, on its first connection and on those after it."""

from __future__ import annotations

from typing import Optional, Sequence

from . import _verbs as verbs
from ._verbs import Request, Welcome


class Greeting:
    """- token: is said once, since it is good once. Of it and the password nothing is shown."""

    def __init__(
        self,
        user: Optional[str],
        password: Optional[str],
        vhost: Optional[str],
        client: Optional[str],
        heartbeat: int,
        need: Sequence[str],
    ) -> None:
        self.token: Optional[str] = None
        self._user, self._password = user, password
        self._vhost, self._client, self._heartbeat, self._need = vhost, client, heartbeat, need

    def hello(self) -> Request[Welcome]:
        token, self.token = self.token, None
        # A token says over TCP, too, who it is; a guest's name and password would have to be right as well.
        is_guest = token is not None and self._user == "guest"
        user, password = (None, None) if is_guest else (self._user, self._password)
        return verbs.hello(user, password, self._vhost, self._client, self._heartbeat, self._need, token)
