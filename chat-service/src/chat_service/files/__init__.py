"""Files that people attach to messages: objects in a store of their own, and what is known of each."""
