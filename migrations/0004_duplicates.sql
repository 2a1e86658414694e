-- Photos that look the same, as a set of rules groups them: a row per photo that has a copy.
CREATE TABLE duplicate (
    photo_id  INTEGER NOT NULL REFERENCES photo (id) ON DELETE CASCADE,
    rules     TEXT NOT NULL,             -- digest of rules and probes
    centre_id INTEGER NOT NULL REFERENCES photo (id) ON DELETE CASCADE,  -- names the group; the centre has a row too
    distance  INTEGER NOT NULL,          -- bits of 64 in which the perceptual hash differs from the centre's
    mirrored  INTEGER NOT NULL,
    PRIMARY KEY (photo_id, rules)
) STRICT, WITHOUT ROWID;
CREATE INDEX duplicate_by_centre ON duplicate (centre_id, rules);
CREATE INDEX duplicate_by_rules ON duplicate (rules);
