"""Rule files: YAML Table Schema descriptors read into frozen values, every mistake reported at once.

`model` holds the values, `load` reads a folder into them, `route` finds the entity a file name means.
Nothing here loads pyarrow: listeners read rules too. `ingester.checks` compiles these values for columns.
"""
