"""The resources as models: the one source of field names, enums, defaults, descriptions and rules.

`crds/` is generated from these models; a field's description here is what `kubectl explain` prints.
"""
