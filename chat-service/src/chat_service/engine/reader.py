"""Reading a client's WebSocket frames (RFC 6455, section 5), strictly and within bounds."""

from chat_service.engine.frames import BINARY, CLOSE, PING, PONG, TEXT

CONTINUATION = 0
_CONTROL = frozenset({CLOSE, PING, PONG})
_DATA = frozenset({CONTINUATION, TEXT, BINARY})


class WebSocketError(Exception):
    """The client broke RFC 6455 or a bound; `code` is the close code that tells it so."""

    def __init__(self, code: int, why: str) -> None:
        """Hold the close code (RFC 6455, section 7.4.1) and the words for it."""
        super().__init__(why)
        self.code = code


class FrameReader:
    """Turns received bytes into messages, one at a time, so that its caller can pause between two.

    Holds at most one message of the greatest size and what one read of the socket brought.
    """

    __slots__ = ("_buffer", "_max_size", "_opcode", "_parts")

    def __init__(self, max_size: int) -> None:
        """Accept messages of at most `max_size` bytes."""
        self._buffer = bytearray()
        self._max_size = max_size
        self._opcode = CONTINUATION
        self._parts = bytearray()

    def feed(self, data: bytes) -> None:
        """Add bytes as they came."""
        self._buffer += data

    def next_message(self) -> tuple[int, bytes] | None:
        """Return the next whole message or control frame as (opcode, payload), None when none is whole.

        Raises:
            WebSocketError: on anything that RFC 6455 forbids a client, or a message too long.
        """
        while True:
            frame = self._next_frame()
            if frame is None:
                return None
            final, opcode, payload = frame
            if opcode in _CONTROL:
                return opcode, payload
            message = self._assemble(final, opcode, payload)
            if message is not None:
                return message

    def _assemble(self, final: bool, opcode: int, payload: bytes) -> tuple[int, bytes] | None:
        """Return the message that this data frame ends, None while more of it is to come."""
        if (opcode == CONTINUATION) == (self._opcode == CONTINUATION):
            raise WebSocketError(1002, "fragments out of order")
        if final and opcode != CONTINUATION:
            return opcode, payload
        self._parts += payload
        if opcode != CONTINUATION:
            self._opcode = opcode
        if not final:
            return None
        message = self._opcode, bytes(self._parts)
        self._opcode = CONTINUATION
        self._parts = bytearray()
        return message

    def _next_frame(self) -> tuple[bool, int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        final, opcode, length = self._check_head(buffer[0], buffer[1])
        start = 6
        if length == 126:
            start = 8
            if len(buffer) < start:
                return None
            length = int.from_bytes(buffer[2:4])
        elif length == 127:
            start = 14
            if len(buffer) < start:
                return None
            length = int.from_bytes(buffer[2:10])
        if len(self._parts) + length > self._max_size and opcode in _DATA:
            raise WebSocketError(1009, "message too long")
        end = start + length
        if len(buffer) < end:
            return None
        payload = unmask(buffer[start - 4 : start], buffer[start:end])
        del buffer[:end]
        return final, opcode, payload

    @staticmethod
    def _check_head(first: int, second: int) -> tuple[bool, int, int]:
        """Return whether the frame is final, its opcode and its 7-bit length."""
        opcode, length = first & 0x0F, second & 0x7F
        if first & 0x70:
            raise WebSocketError(1002, "reserved bits are set, no extension was agreed")
        if not second & 0x80:
            raise WebSocketError(1002, "frame is not masked")
        final = bool(first & 0x80)
        if opcode in _CONTROL:
            if length > 125 or not final:
                raise WebSocketError(1002, "control frame too long or in fragments")
        elif opcode not in _DATA:
            raise WebSocketError(1002, "unknown opcode")
        return final, opcode, length


def unmask(mask: bytes | bytearray, payload: bytes | bytearray) -> bytes:
    """Return `payload` without its mask of four bytes (RFC 6455, section 5.3)."""
    length = len(payload)
    # One XOR of two long integers is the fastest way through a payload in plain Python.
    key = int.from_bytes((mask * (length // 4 + 1))[:length])
    return (int.from_bytes(payload) ^ key).to_bytes(length)


def close_code(payload: bytes) -> int:
    """Return the code of a client's close frame, 1005 where it gave none.

    Raises:
        WebSocketError: when the code or the reason's text is not allowed (RFC 6455, section 7.4).
    """
    if not payload:
        return 1005
    if len(payload) < 2:
        raise WebSocketError(1002, "close frame with half a code")
    code = int.from_bytes(payload[:2])
    if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise WebSocketError(1002, "close code not allowed")
    try:
        payload[2:].decode()
    except UnicodeDecodeError as error:
        raise WebSocketError(1007, "close reason is not UTF-8") from error
    return code
