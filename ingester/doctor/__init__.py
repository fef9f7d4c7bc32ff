"""`ingester doctor`: looks at a site and says what is wrong with it and how to mend it. It never changes anything.

`examine` runs the checks, one function each, grouped by what they look at; `finding` is what a check says, `subject`
what it looks at. A check yields nothing where there is nothing to look at.
"""
