"""The people directory in MongoDB: its parts together, and the sweep of what no rule looks at any more."""

from __future__ import annotations

from chat_service.directory import mongo_attempts, mongo_invites, mongo_sessions, mongo_users
from chat_service.directory.mongo_attempts import MongoAttemptRows
from chat_service.directory.mongo_invites import MongoInviteRows
from chat_service.directory.mongo_sessions import MongoSessionRows
from chat_service.directory.mongo_users import MongoUserRows
from chat_service.storage.mongo import MongoStore

MIGRATIONS = (
    *mongo_users.MIGRATIONS,
    *mongo_sessions.MIGRATIONS,
    *mongo_invites.MIGRATIONS,
    *mongo_attempts.MIGRATIONS,
)


class MongoPeopleDirectory(MongoUserRows, MongoSessionRows, MongoInviteRows, MongoAttemptRows):
    """`PeopleDirectory` on a MongoStore."""

    def __init__(self, store: MongoStore) -> None:
        MongoUserRows.__init__(self, store)
        MongoSessionRows.__init__(self, store)
        MongoInviteRows.__init__(self, store)
        MongoAttemptRows.__init__(self, store)

    async def sweep(self, now: int, revoked_before: int) -> None:
        """See PeopleDirectory. Every node may sweep at the same time."""
        await self.sweep_sessions(now, revoked_before)
        await self.sweep_attempts(now)
        await self.sweep_invites(now)
