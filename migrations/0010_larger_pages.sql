-- The page behind the photo page that shows the photo larger: with its validators it is asked for conditionally as well.
ALTER TABLE fetch ADD COLUMN larger_url TEXT;
ALTER TABLE fetch ADD COLUMN larger_etag TEXT;
ALTER TABLE fetch ADD COLUMN larger_last_modified TEXT;
CREATE INDEX fetch_by_larger ON fetch (larger_url) WHERE larger_url IS NOT NULL;
