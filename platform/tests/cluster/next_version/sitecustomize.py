"""What a later version would have in its sources: one migration more, an index that nothing needs yet."""

from chat_service.storage.mongo_migrations import Index, MongoMigration
from chat_service.stores import mongo

NEXT = MongoMigration("next version", (Index("entries", "next_version", (("line", -1),)),))
mongo.MIGRATIONS = (*mongo.MIGRATIONS, NEXT)
