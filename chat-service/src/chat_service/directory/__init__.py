"""Users, rooms, memberships, read markers: what is looked up by anything but a room's sequence number."""
