"""How each kind of provider is asked: by pydantic-ai's models and their SDKs, watched, or in this process."""
