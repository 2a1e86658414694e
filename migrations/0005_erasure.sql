-- What was erased on request and is not taken in again. Only salted hashes: nobody can read a name, an address or a
-- digest out of them, and without the salt nobody can look known ones up in them.
CREATE TABLE tombstone_salt (
    salt TEXT NOT NULL                   -- one row, made with the first tombstone
) STRICT;

CREATE TABLE tombstone (
    digest    TEXT PRIMARY KEY,          -- SHA-256 of the salt, the kind and the value
    kind      TEXT NOT NULL,             -- 'identity' (site/slug), 'url', 'bytes' (the SHA-256 of a file)
    erased_at INTEGER NOT NULL,
    swept_at  INTEGER                    -- when the last file was gone; NULL: the erasure is not finished
) STRICT, WITHOUT ROWID;
