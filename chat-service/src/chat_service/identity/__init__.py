"""Who somebody is: accounts, sessions, tokens, invites, and how often anybody may try anything."""
