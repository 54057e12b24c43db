"""The API server: the only code that talks to it. Errors are mapped once, in `client`."""
