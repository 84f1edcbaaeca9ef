"""What the base URL costs beside other gateways; `python -m bench.gateway` measures it."""
