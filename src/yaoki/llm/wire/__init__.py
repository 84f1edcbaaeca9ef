"""The lean way to providers that speak OpenAI, and its words for those that do not."""
