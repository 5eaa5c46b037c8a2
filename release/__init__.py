"""How a release is made: locked dependencies, licences, bill of materials, signature."""
