-- Until when a host asked to be left alone (Retry-After), in Unix milliseconds. It holds for the next process too.
CREATE TABLE host_pause (
    authority TEXT PRIMARY KEY,          -- host:port, for http and https alike
    until     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
