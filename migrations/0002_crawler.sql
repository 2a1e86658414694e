-- What the crawler remembers of permissions and of photo pages.

-- robots.txt as each host last answered (RFC 9309: kept for a day).
CREATE TABLE robots (
    authority     TEXT PRIMARY KEY,      -- scheme://host:port
    status        INTEGER NOT NULL,      -- 2xx: body holds; 4xx: everything is allowed
    body          TEXT NOT NULL,
    etag          TEXT,
    last_modified TEXT,
    fetched_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The text that decided whether the photo may be fetched: a robots rule, an X-Robots-Tag, a meta element.
ALTER TABLE fetch ADD COLUMN permission TEXT;

-- The validators of the photo page, so that a later crawl notices when the page is withdrawn or changed.
ALTER TABLE fetch ADD COLUMN page_etag TEXT;
ALTER TABLE fetch ADD COLUMN page_last_modified TEXT;
