"""Durable state: schema, log and turns behind one contract."""
