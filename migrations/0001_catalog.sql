-- What bolid knows, one table per stage. A stage reads the tables above its own and writes only its own;
-- its work list is "rows above without my row for the current digest". Times are Unix milliseconds.

-- A person on a site (or a subfolder of an import).
CREATE TABLE identity (
    id       INTEGER PRIMARY KEY,
    site     TEXT NOT NULL,
    slug     TEXT NOT NULL,              -- unique within the site, part of file names
    name     TEXT NOT NULL,
    page_url TEXT,
    UNIQUE (site, slug)
) STRICT;

-- One run of the crawler over a site. Unfinished: the next run goes on with it.
CREATE TABLE crawl (
    id          INTEGER PRIMARY KEY,
    site        TEXT NOT NULL,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;

-- The frontier: pages that list identities or photos. Due when never fetched, or fetched before the crawl's cut-off.
CREATE TABLE page (
    id            INTEGER PRIMARY KEY,
    site          TEXT NOT NULL,
    url           TEXT NOT NULL,
    kind          TEXT NOT NULL,         -- 'index' or 'identity'
    identity_id   INTEGER REFERENCES identity (id) ON DELETE CASCADE,
    etag          TEXT,
    last_modified TEXT,
    failure       TEXT,                  -- failure class, NULL when all went well
    detail        TEXT,
    fetched_at    INTEGER,
    UNIQUE (site, url)
) STRICT;
CREATE INDEX page_due ON page (site, fetched_at);

-- A photo that a site shows. source_url names it: its photo page, or the file itself where there is none.
CREATE TABLE photo (
    id             INTEGER PRIMARY KEY,
    identity_id    INTEGER NOT NULL REFERENCES identity (id) ON DELETE CASCADE,
    source_url     TEXT NOT NULL,
    file_url       TEXT,                 -- known once the photo page was read
    hint_width     INTEGER,              -- size as the gallery states it
    hint_height    INTEGER,
    caption        TEXT,
    caption_source TEXT,                 -- 'alt', 'title', 'sidecar', …
    UNIQUE (identity_id, source_url)
) STRICT;

-- Bytes on disk, once per content.
CREATE TABLE blob (
    sha256    TEXT PRIMARY KEY,
    bytes     INTEGER NOT NULL,
    stored_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How the last download of a photo ended.
CREATE TABLE fetch (
    photo_id      INTEGER PRIMARY KEY REFERENCES photo (id) ON DELETE CASCADE,
    sha256        TEXT REFERENCES blob (sha256),
    failure       TEXT,                  -- failure class; exactly one of sha256 and failure is set
    detail        TEXT,
    http_status   INTEGER,
    etag          TEXT,
    last_modified TEXT,
    attempts      INTEGER NOT NULL,
    fetched_at    INTEGER NOT NULL,
    CHECK ((sha256 IS NULL) <> (failure IS NULL))
) STRICT;
CREATE INDEX fetch_by_blob ON fetch (sha256);

-- What one probe (a model with its preprocessing, or the decoder) says of one content.
CREATE TABLE measurement (
    sha256 TEXT NOT NULL REFERENCES blob (sha256) ON DELETE CASCADE,
    kind   TEXT NOT NULL,                -- 'image', 'watermark', 'faces', 'people'
    probe  TEXT NOT NULL,                -- digest of model and preprocessing
    value  TEXT NOT NULL,                -- JSON
    PRIMARY KEY (sha256, kind, probe)
) STRICT, WITHOUT ROWID;

-- What a set of rules makes of a photo, given the probes that were asked.
CREATE TABLE verdict (
    photo_id  INTEGER NOT NULL REFERENCES photo (id) ON DELETE CASCADE,
    rules     TEXT NOT NULL,             -- digest of rules and probes
    keep      INTEGER NOT NULL,
    reasons   TEXT NOT NULL,             -- JSON list
    judged_at INTEGER NOT NULL,
    PRIMARY KEY (photo_id, rules)
) STRICT, WITHOUT ROWID;

-- A kept photo's tensors, or why there are none.
CREATE TABLE prepared (
    sha256   TEXT NOT NULL REFERENCES blob (sha256) ON DELETE CASCADE,
    settings TEXT NOT NULL,              -- digest of settings and people probe
    value    TEXT NOT NULL,              -- JSON: joints, affine, box
    PRIMARY KEY (sha256, settings)
) STRICT, WITHOUT ROWID;

-- Snapshots that were written, and which photos stand in them.
CREATE TABLE snapshot (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    path       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshot_photo (
    snapshot_id TEXT NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE,
    photo_id    INTEGER NOT NULL REFERENCES photo (id) ON DELETE CASCADE,
    keep        INTEGER NOT NULL,
    PRIMARY KEY (snapshot_id, photo_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX snapshot_photo_by_photo ON snapshot_photo (photo_id);
