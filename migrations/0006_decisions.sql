-- What a person decided on a photo of an identity: the highest rule. By content, so that it holds wherever the identity's
-- photo comes from.
CREATE TABLE decision (
    sha256     TEXT NOT NULL,
    identity   TEXT NOT NULL,            -- 'site/slug'
    keep       INTEGER NOT NULL,
    decided_at INTEGER NOT NULL,
    PRIMARY KEY (sha256, identity)
) STRICT, WITHOUT ROWID;
