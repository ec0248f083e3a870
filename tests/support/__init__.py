"""What tests share: a room with a marker, an engine that sees only the person, an output that remembers."""
