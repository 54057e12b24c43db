"""Transport: the only code that knows kopf. An event comes in, a key goes out."""
