"""The recipes that come with filmstock: TOML files, named by ``--recipe``. A package, so that wheels carry them."""
