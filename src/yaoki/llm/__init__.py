"""The chain: candidates behind one stream, watched, continued, and never passed off as whole when it is not."""
