"""What a provider's bytes say: events, chunks, finish words, and the watchers that judge them as they come."""
