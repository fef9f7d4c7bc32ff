"""Rule files: YAML Table Schema descriptors read into frozen values, every mistake reported at once.

`model` holds the values and `load` reads folders into them: `document` YAML to lines and values, `section` one mapping
of them key by key, then `field` (with `constraint`, `constant`), `entity` and `reference`, each saying what it finds
wrong to `mistake`. `shipped` knows where the folders are, `route` the entity a file name means, `columns` the field a
header means, `order` what goes first. A new type is a member of `model.FieldType` and its lines in `constant` and
`constraint`; a new key of the language is one more question to its section.
Nothing here loads pyarrow: listeners read rules too. `ingester.checks` compiles these values for columns.
"""
