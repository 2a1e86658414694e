-- What a source of captions said of a content: a row as soon as the answer is there, so that nothing is asked twice.
CREATE TABLE caption (
    sha256   TEXT NOT NULL REFERENCES blob (sha256) ON DELETE CASCADE,
    source   TEXT NOT NULL REFERENCES caption_source (digest),
    text     TEXT,                       -- as it was said, before any rule
    failure  TEXT,                       -- failure class; exactly one of text and failure is set
    detail   TEXT,
    requests INTEGER NOT NULL,           -- how many it took
    asked_at INTEGER NOT NULL,
    PRIMARY KEY (sha256, source),
    CHECK ((text IS NULL) <> (failure IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX caption_by_source ON caption (source);

-- The sources by the digest of what decides their words: the model, the prompt, how photos are shown to it.
CREATE TABLE caption_source (
    digest TEXT PRIMARY KEY,
    about  TEXT NOT NULL                 -- JSON: what the digest is of
) STRICT, WITHOUT ROWID;
