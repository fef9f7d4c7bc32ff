"""Rule files: YAML Table Schema descriptors read into frozen values, every mistake reported at once.

`model` holds the values and `load` reads folders into them: `document` YAML to lines and values, `section` one mapping
of them key by key, then `entity` (with `field`, `reference`, `check`, `clash`), each saying what it finds wrong to
`mistake`. Of a field, `option` and `normal` say how its cells are written, `constraint` what is allowed, `constant` and
`cast` what its examples and bounds mean (dates by a pattern: `strptime`; `geojson`). `expression` reads the assertions
of checks. `overlay` (with `narrower`) is a tenant's own version of an entity, `narrow` what one action asks of a file.
`shipped` knows where the folders are, `route` the entity a file name means, `choice` the one an operator names,
`columns` the field a header means, `order` what goes first. `infer` drafts a rule file from a sample (`guess` for a
column, `written` for the text).
A new type is a member of `model.FieldType` and its lines in `cast` and `constraint`; a new key of the language is one
more question to its section.
Nothing here loads pyarrow, and only `infer` loads pandas: listeners read rules too. `ingester.checks` compiles these
values for columns.
"""
