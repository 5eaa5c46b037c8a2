"""What is asked: of one machine and of all, as of two times."""
