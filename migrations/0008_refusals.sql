-- What a 304 stands for. A page is the same only if it was read by the same rules, and a file that was refused stays
-- refused only under the same limits; both are told by digests.
ALTER TABLE page ADD COLUMN read_by TEXT;            -- the rules that the validators' answer was read by
ALTER TABLE page ADD COLUMN refused_by TEXT;         -- or the rules that refused it
ALTER TABLE fetch ADD COLUMN page_read_by TEXT;      -- the same of the photo page
ALTER TABLE fetch ADD COLUMN refused_by TEXT;        -- the rules (of the page) or limits (of the file) that refused it

-- One file may stand behind several pages.
CREATE INDEX photo_by_file ON photo (file_url);
