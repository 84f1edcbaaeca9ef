"""What a request costs at list prices, by the table of genai-prices, which comes with pydantic-ai."""

from functools import cache

from yaoki.llm.chain.candidates import Price


def list_price(model: str, base_url: str = "", provider: str = "") -> Price:
    """The list price of a provider's model.

    The table is read when something is priced first. A model that it does not know at this address has no price.

    Args:
        model: The provider's own name for it.
        base_url: Where it is served, by which the table knows the provider.
        provider: Its name in the table, where there is no address.
    """

    def price(input_tokens: int, output_tokens: int) -> float | None:
        rates = _rates(model, base_url, provider)
        return None if rates is None else input_tokens * rates[0] + output_tokens * rates[1]

    return price


def free(_input_tokens: int, _output_tokens: int) -> float:
    """The price of a model that runs on this machine."""
    return 0.0


@cache
def _rates(model: str, base_url: str, provider: str) -> tuple[float, float] | None:
    """US dollars for one token of prompt and of answer; None where the table has no such model."""
    from genai_prices import Usage, calc_price  # noqa: PLC0415 - a fifth of a second, which nobody waits for at the start

    usage = Usage(input_tokens=_MANY, output_tokens=_MANY)
    try:
        if base_url:
            price = calc_price(usage, model, provider_api_url=base_url)
        else:
            price = calc_price(usage, model, provider_id=provider)
    except LookupError:
        return None
    return float(price.input_price) / _MANY, float(price.output_price) / _MANY


_MANY = 1_000
