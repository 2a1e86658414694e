-- Exports of snapshots, wherever they were written to, and which photos are in them: who asks for a photo, or erases one,
-- learns where else it is. The row comes before the first file, so that a killed export is known as well.
CREATE TABLE export (
    id            INTEGER PRIMARY KEY,
    path          TEXT NOT NULL UNIQUE,  -- the folder, absolute
    snapshot      TEXT NOT NULL,         -- its name and id; no reference: an export outlives a snapshot that is withdrawn
    format        TEXT NOT NULL,         -- 'webdataset', 'imagefolder', …
    pixels        TEXT NOT NULL,         -- 'photo', 'image', 'weighted'
    sha256        TEXT,                  -- of its export.json, NULL while it is not whole
    started_at    INTEGER NOT NULL,
    erased_photos INTEGER NOT NULL DEFAULT 0  -- photos in it that were erased since
) STRICT;

CREATE TABLE export_photo (
    export_id INTEGER NOT NULL REFERENCES export (id) ON DELETE CASCADE,
    photo_id  INTEGER NOT NULL REFERENCES photo (id) ON DELETE CASCADE,
    PRIMARY KEY (export_id, photo_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX export_photo_by_photo ON export_photo (photo_id);
