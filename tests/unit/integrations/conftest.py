from tests.unit.quick_retries import quick_retries

__all__ = ["quick_retries"]
