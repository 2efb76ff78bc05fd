"""The methods of the API, a class a service: decode, call one use case, answer."""
