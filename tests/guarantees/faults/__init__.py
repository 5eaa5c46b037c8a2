"""What a disk does when the power goes, when it is full, and when it fails: recorded and injected below the product."""
