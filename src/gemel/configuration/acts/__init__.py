"""What is said was done: checked, noted as acts, believed, or planned."""
