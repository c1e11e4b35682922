"""The processes of the server: worker, chores, web, and all of them under supervision."""
