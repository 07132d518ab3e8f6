"""The shared codecs of `pintu.protocols`, as a piece may import them; none is shared yet."""

__all__: list[str] = []
