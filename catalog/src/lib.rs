//! What bolid knows of sites, photos, scores and verdicts, in SQLite.
