//! Bodies that are packed for the way (`Content-Encoding: gzip`), by servers that pack whatever they send. The packed
//! bytes are what a range counts, so that they are kept while they come; the photo's own bytes are made beside them.

use std::io::{self, Write as _};

use catalog::blob::{BlobStore, Stored};
use catalog::{BlobWriter, Error};
use flate2::write::MultiGzDecoder;
use photo::{Digest, FailureClass};
use reqwest::header::{self, HeaderMap};

use crate::error::Stop;
use crate::headers::text;
use crate::sniff::{SizeLimits, Sniffer};

/// A piece is unpacked in parts of this length: gzip makes a thousandfold of it at most, 4 MB.
const PART_BYTES: usize = 4096;

/// Whether a body comes packed.
pub(crate) fn is_gzip(headers: &HeaderMap) -> bool {
    let coding = text(headers, header::CONTENT_ENCODING).unwrap_or_default().trim().to_ascii_lowercase();
    coding == "gzip" || coding == "x-gzip"
}

/// What comes, as the photo's own bytes: they are looked at, and unpacked where that is needed.
pub(crate) struct BodyInspector<'s> {
    sniffer: Sniffer,
    unpacked: Option<(MultiGzDecoder<Vec<u8>>, BlobWriter<'s>)>,
    limits: SizeLimits,
    max_bytes: u64,
}

impl<'s> BodyInspector<'s> {
    pub(crate) fn new(
        is_gzip: bool,
        limits: SizeLimits,
        max_bytes: u64,
        blobs: &'s BlobStore,
    ) -> Result<Self, Error> {
        let unpacked = match is_gzip {
            true => Some((MultiGzDecoder::new(Vec::new()), blobs.writer()?)),
            false => None,
        };
        Ok(Self { sniffer: Sniffer::default(), unpacked, limits, max_bytes })
    }

    /// Looks at the next piece that came.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), Stop> {
        if self.unpacked.is_none() {
            return Ok(self.sniffer.push(piece, self.limits)?);
        }
        for part in piece.chunks(PART_BYTES) {
            if let Some((decoder, _)) = &mut self.unpacked {
                decoder.write_all(part).map_err(|error| broken(&error))?;
            }
            self.take_unpacked()?;
        }
        Ok(())
    }

    fn take_unpacked(&mut self) -> Result<(), Stop> {
        let Some((decoder, writer)) = &mut self.unpacked else { return Ok(()) };
        let bytes = std::mem::take(decoder.get_mut());
        self.sniffer.push(&bytes, self.limits)?;
        writer.write(&bytes)?;
        if writer.bytes() > self.max_bytes {
            let detail =
                format!("unpacked, {} bytes or more; the limit is {}", writer.bytes(), self.max_bytes);
            return Err((FailureClass::TooLarge, detail).into());
        }
        Ok(())
    }

    /// All has come into `came`: the blob, if it is the one that is `expected`.
    pub(crate) fn finish(mut self, came: BlobWriter<'_>, expected: Option<Digest>) -> Result<Stored, Stop> {
        if let Some((decoder, _)) = &mut self.unpacked
            && let Err(error) = decoder.try_finish()
        {
            came.discard(); // all of it came: there is nothing to go on with
            return Err(broken(&error));
        }
        self.take_unpacked()?;
        self.sniffer.finish(self.limits)?;
        let digest = self.unpacked.as_ref().map_or_else(|| came.digest(), |(_, writer)| writer.digest());
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            let detail = format!("{digest} came, which is not {expected}");
            return Err((FailureClass::Changed, detail).into());
        }
        match self.unpacked {
            Some((_, writer)) => {
                came.discard();
                Ok(writer.finish()?)
            }
            None => Ok(came.finish()?),
        }
    }
}

fn broken(error: &io::Error) -> Stop {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            (FailureClass::Truncated, "the gzip body ends in the middle".to_owned()).into()
        }
        _ => (FailureClass::Protocol, format!("the gzip body cannot be unpacked: {error}")).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalog::Catalog;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn class(stop: Stop) -> FailureClass {
        match stop {
            Stop::Failed(failure) => failure.class,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_packed_photo_is_stored_unpacked_and_a_cut_or_endless_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(folder.path()).await.unwrap();
        let blobs = catalog.blobs();
        let limits = SizeLimits { min_side: 0, max_pixels: u64::MAX };
        let look = |max_bytes| BodyInspector::new(true, limits, max_bytes, blobs).unwrap();
        let bmp = [b"BM".as_slice(), &[7; 9000]].concat();

        let body = packed(&bmp);
        let take = |look: &mut BodyInspector<'_>, body: &[u8]| {
            let mut came = blobs.writer().unwrap();
            for piece in body.chunks(7) {
                came.write(piece).unwrap();
                look.push(piece).unwrap();
            }
            came
        };
        let mut whole = look(1 << 20);
        let came = take(&mut whole, &body);
        assert_eq!(whole.finish(came, None).unwrap().sha256, Digest::of(&bmp));
        let mut cut = look(1 << 20);
        let came = take(&mut cut, &body[..body.len() - 9]);
        assert_eq!(class(cut.finish(came, None).unwrap_err()), FailureClass::Truncated);
        // A short body is unpacked when more comes, or at its end.
        let refused = |body: &[u8]| {
            let mut look = look(5000);
            match look.push(body) {
                Err(stop) => class(stop),
                Ok(()) => class(look.finish(blobs.writer().unwrap(), None).unwrap_err()),
            }
        };
        assert_eq!(refused(&body), FailureClass::TooLarge);
        assert_eq!(refused(&bmp), FailureClass::Protocol);
    }
}
