"""Engine.IO v4: sessions over long-polling and WebSocket, beneath python-socketio."""

from chat_service.engine.frames import Attachment, Frames, join_frames, message_frames
from chat_service.engine.limits import Limits
from chat_service.engine.refusals import Refusal
from chat_service.engine.server import Counts, Engine, EngineOptions
from chat_service.engine.session import Client, Session
from chat_service.engine.states import Reason, State

__all__ = [
    "Attachment",
    "Client",
    "Counts",
    "Engine",
    "EngineOptions",
    "Frames",
    "Limits",
    "Reason",
    "Refusal",
    "Session",
    "State",
    "join_frames",
    "message_frames",
]
