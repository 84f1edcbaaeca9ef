"""The base URL: `/v1` in OpenAI's shapes, and who may use it."""
