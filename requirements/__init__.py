"""What Canary is made of: the lock files, and what is said of them (a bill of materials, an audit)."""
