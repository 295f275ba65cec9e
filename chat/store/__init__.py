"""Documents by key: one port (`base`), an adapter per document store, and `url.open_store` to pick one."""
