//! The boxes of an MP4 file with one H.264 track (ISO/IEC 14496-12 and -15).
//!
//! ```text
//! ftyp  mdat: samples, one after another  moov: how many, how large, how long, how to decode them
//! ```
//! Samples are one chunk, all of one duration. Written here because it is a page and streams to the file; the
//! crates that do it keep all samples in memory until the end.

use std::io;

const FILE_TYPE: &[u8] = b"isom\0\0\x02\0isomiso2avc1mp41";
const FILE_TYPE_BYTES: u32 = 8 + FILE_TYPE.len() as u32;

/// Offset of the size of the box of samples in the file.
pub(super) const SAMPLES_SIZE_AT: u64 = FILE_TYPE_BYTES as u64;

/// Units of time in one frame; a second has `fps` times as many.
const FRAME_UNITS: u32 = 1000;

/// The identity, in fixed point, as players expect it of an upright picture.
const UPRIGHT: [u32; 9] = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000_0000];

/// What comes before the first sample.
pub(super) fn head() -> Vec<u8> {
    let mut bytes = block(*b"ftyp", &[FILE_TYPE]);
    bytes.extend_from_slice(&0_u32.to_be_bytes());
    bytes.extend_from_slice(b"mdat");
    bytes
}

/// What a player must know to find and decode the samples.
pub(super) struct Index {
    pub(super) width: u16,
    pub(super) height: u16,
    /// Sequence parameter set of H.264.
    pub(super) sequence: Vec<u8>,
    /// Picture parameter set of H.264.
    pub(super) picture: Vec<u8>,
    units_per_second: u32,
    sizes: Vec<u32>,
    /// Samples that can be decoded alone, counted from 1.
    keys: Vec<u32>,
    bytes: u32,
}

impl Index {
    pub(super) fn new(width: u16, height: u16, fps: f64) -> Self {
        Self {
            width,
            height,
            sequence: Vec::new(),
            picture: Vec::new(),
            units_per_second: (fps * f64::from(FRAME_UNITS)).round() as u32,
            sizes: Vec::new(),
            keys: Vec::new(),
            bytes: 0,
        }
    }

    /// Takes note of a sample that was written.
    pub(super) fn add(&mut self, bytes: u32, key: bool) -> io::Result<()> {
        let room = u32::MAX - FILE_TYPE_BYTES - 8;
        self.bytes =
            self.bytes.checked_add(bytes).filter(|all| *all <= room).ok_or_else(|| {
                io::Error::other("an MP4 of this kind holds at most 4 GiB; try --format png")
            })?;
        self.sizes.push(bytes);
        if key {
            self.keys.push(self.sizes.len() as u32);
        }
        Ok(())
    }

    /// Size of the box of samples.
    pub(super) fn samples_size(&self) -> u32 {
        8 + self.bytes
    }

    /// What comes after the last sample.
    pub(super) fn boxes(&self) -> Vec<u8> {
        let duration = u32s(&[self.sizes.len() as u32 * FRAME_UNITS]);
        let rate = u32s(&[self.units_per_second]);
        let upright = u32s(&UPRIGHT);
        // Version and flags, made, changed, rate, duration, speed 1, volume 1, matrix, the next track's number.
        let movie = block(
            *b"mvhd",
            &[&[0; 12], &rate, &duration, &[0, 1, 0, 0, 1, 0], &[0; 10], &upright, &[0; 24], &u32s(&[2])],
        );
        let sides = u32s(&[u32::from(self.width) << 16, u32::from(self.height) << 16]);
        // Enabled and in the movie; made, changed, number 1, duration, layer and volume, matrix, sides.
        let track =
            block(*b"tkhd", &[&u32s(&[7, 0, 0, 1, 0]), &duration, &[0; 8], &[0; 8], &upright, &sides]);
        // 0x55c4: no language.
        let time = block(*b"mdhd", &[&[0; 12], &rate, &duration, &[0x55, 0xc4, 0, 0]]);
        let handler = block(*b"hdlr", &[&[0; 8], b"vide", &[0; 12], b"video\0"]);
        let here = block(*b"url ", &[&[0, 0, 0, 1]]);
        let place = block(*b"dinf", &[&block(*b"dref", &[&[0; 4], &u32s(&[1]), &here])]);
        let video = block(*b"vmhd", &[&[0, 0, 0, 1], &[0; 8]]);
        let info = block(*b"minf", &[&video, &place, &self.samples()]);
        let media = block(*b"mdia", &[&time, &handler, &info]);
        block(*b"moov", &[&movie, &block(*b"trak", &[&track, &media])])
    }

    fn samples(&self) -> Vec<u8> {
        let count = self.sizes.len() as u32;
        let table = |kind, numbers: &[u32]| block(kind, &[&[0; 4], &u32s(numbers)]);
        let description = block(*b"stsd", &[&[0; 4], &u32s(&[1]), &self.codec()]);
        let times = table(*b"stts", &[1, count, FRAME_UNITS]);
        let keys = block(*b"stss", &[&[0; 4], &u32s(&[self.keys.len() as u32]), &u32s(&self.keys)]);
        let chunks = table(*b"stsc", &[1, 1, count, 1]);
        let sizes = block(*b"stsz", &[&[0; 4], &u32s(&[0, count]), &u32s(&self.sizes)]);
        let offsets = table(*b"stco", &[1, FILE_TYPE_BYTES + 8]);
        block(*b"stbl", &[&description, &times, &keys, &chunks, &sizes, &offsets])
    }

    fn codec(&self) -> Vec<u8> {
        // Profile, compatibility and level are the bytes after the header of the sequence parameters.
        let profile = self.sequence.get(1..4).unwrap_or(&[0; 3]);
        let length = |set: &[u8]| (set.len() as u16).to_be_bytes();
        let decoder = block(
            *b"avcC",
            &[
                &[1],
                profile,
                // Lengths of units take 4 bytes; one set of each kind.
                &[0xff, 0xe1],
                &length(&self.sequence),
                &self.sequence,
                &[1],
                &length(&self.picture),
                &self.picture,
            ],
        );
        // BT.601 in the limited range, as in the encoder's own header.
        let colour = block(*b"colr", &[b"nclx", &[0, 6, 0, 6, 0, 6, 0]]);
        let sides = [self.width.to_be_bytes(), self.height.to_be_bytes()];
        let resolution = u32s(&[72 << 16, 72 << 16]);
        // Data reference 1, sides, resolution, one frame a sample, no name of a compressor, 24 bits a pixel.
        block(
            *b"avc1",
            &[
                &[0, 0, 0, 0, 0, 0, 0, 1],
                &[0; 16],
                sides.as_flattened(),
                &resolution,
                &[0, 0, 0, 0, 0, 1],
                &[0; 32],
                &[0, 24, 0xff, 0xff],
                &decoder,
                &colour,
            ],
        )
    }
}

fn block(kind: [u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&(8 + content.len() as u32).to_be_bytes(), kind.as_slice(), &content].concat()
}

fn u32s(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}
