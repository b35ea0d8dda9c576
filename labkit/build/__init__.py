"""Building vLLM: overlays of single functions, targets of its CMake, forecasts and timelines of whole builds."""
