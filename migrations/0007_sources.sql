-- Where the photos of an import came from: another folder of the same name is another collection.
CREATE TABLE source (
    site TEXT PRIMARY KEY,
    root TEXT NOT NULL                   -- absolute path of the folder or list
) STRICT, WITHOUT ROWID;
