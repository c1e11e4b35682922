"""The commands for operators, as click groups: thin verbs over the functions of `operations`."""
