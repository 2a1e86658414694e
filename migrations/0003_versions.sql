-- What a photo's address gave before: a row when its bytes change, or when it vanishes. The bytes stay in `blob`.
CREATE TABLE photo_version (
    photo_id   INTEGER NOT NULL REFERENCES photo (id) ON DELETE CASCADE,
    sha256     TEXT NOT NULL REFERENCES blob (sha256),
    fetched_at INTEGER NOT NULL,         -- when these bytes were last seen there
    ended_at   INTEGER NOT NULL,         -- when something else was
    end        TEXT NOT NULL,            -- 'changed', or the failure class: 'http_4xx', 'opt_out', …
    PRIMARY KEY (photo_id, ended_at)
) STRICT, WITHOUT ROWID;
