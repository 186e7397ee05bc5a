"""The recipes that come with filmstock: TOML files, named by ``--recipe NAME``. A package, so that wheels carry them."""
