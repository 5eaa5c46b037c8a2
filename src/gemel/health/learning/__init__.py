"""Learning from lives: pure statistics over tables, in a process of its own. Imports nothing of the platform."""
