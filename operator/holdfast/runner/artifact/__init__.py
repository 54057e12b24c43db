"""Bytes on their way between a dump and the bucket: counted, compressed, encrypted."""
