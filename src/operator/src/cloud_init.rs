//! What a new server is told to do at its first boot.
