"""Documents in a Couchbase cluster, through its official SDK; `adapter.CouchbaseStore` is the store port."""
