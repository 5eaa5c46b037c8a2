"""The parts book: part types, their revisions and slots, and the rules of what may be where."""
