"""What can be done to a scene. A fault is a coroutine function; it has healed everything when it returns."""
