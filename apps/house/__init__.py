"""The shared room of the applications: what each of them would have to get right by itself.

`apps/README.md` says how an application is built on it.
"""
