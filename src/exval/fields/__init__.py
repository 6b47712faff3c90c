"""Fields: methods that were shown values at some places of the brain and say what they are at others."""

from exval.registry import Registry

FIELDS: Registry = Registry("exval.fields", "exval.fields.base:Field", "field")
