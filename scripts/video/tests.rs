#![allow(clippy::unwrap_used)]

use phalanx_envs::draw;
use tempfile::TempDir;

use super::*;

/// Frames of a pole that falls on a moving cart, with words in the corner.
fn falling(count: u32) -> Vec<Frame> {
    let picture = |i: u32| {
        let mut frame = draw::cart_pole(0.02 * f64::from(i), 0.01 * f64::from(i));
        overlay(&mut frame, &["episode 1".to_owned(), format!("step {i}"), format!("return {i}")]);
        frame
    };
    (0..count).map(picture).collect()
}

/// A frame without a pattern, so that nothing is compressed well.
fn noise(width: u32, height: u32, seed: u32) -> Frame {
    let mut x = seed.wrapping_mul(2_654_435_769) | 1;
    let byte = || {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        x as u8
    };
    let pixels = std::iter::repeat_with(byte).take((width * height * 3) as usize).collect();
    Frame { width, height, pixels }
}

fn make(folder: &Path, format: Format, fps: f64, frames: &[Frame]) -> PathBuf {
    let mut video = Video::begin(folder, "episode-00", format, fps, &frames[0]).unwrap();
    frames[1..].iter().for_each(|frame| video.push(frame).unwrap());
    video.finish("episode-00_return_30").unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Mean difference of a channel, in 0..=255.
fn difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, &b)| f64::from(a.abs_diff(b))).sum::<f64>() / a.len() as f64
}

/// Plays a GIF: every frame as shown, with its delay in hundredths of a second.
fn play(path: &Path) -> Vec<(Frame, u16)> {
    let mut options = ::gif::DecodeOptions::new();
    options.set_color_output(::gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(File::open(path).unwrap()).unwrap();
    let (width, height) = (u32::from(decoder.width()), u32::from(decoder.height()));
    let mut shown = Frame { width, height, pixels: vec![0; (width * height * 3) as usize] };
    let mut frames = Vec::new();
    while let Some(part) = decoder.read_next_frame().unwrap() {
        let line = usize::from(part.width);
        for (i, rgba) in part.buffer.chunks_exact(4).enumerate() {
            let (x, y) = (usize::from(part.left) + i % line, usize::from(part.top) + i / line);
            let at = (y * width as usize + x) * 3;
            shown.pixels[at..at + 3].copy_from_slice(&rgba[..3]);
        }
        frames.push((shown.clone(), part.delay));
    }
    assert_eq!(decoder.repeat(), ::gif::Repeat::Infinite);
    frames
}

#[test]
fn a_gif_shows_every_frame_for_its_time() {
    let folder = TempDir::new().unwrap();
    let frames = falling(30);
    let played = play(&make(folder.path(), Format::Gif, 30.0, &frames));
    assert_eq!(played.len(), 30);
    assert_eq!(played[0].0, frames[0], "all colours of the first frame fit the palette");
    for ((shown, _), frame) in played.iter().zip(&frames) {
        assert!(difference(&shown.pixels, &frame.pixels) < 0.1);
    }
    // 30 frames at 30 a second: 3, 4, 3, 3, 4, 3 … hundredths, one second in all.
    let delays: Vec<u16> = played.iter().map(|(_, delay)| *delay).collect();
    assert_eq!(delays[..6], [3, 4, 3, 3, 4, 3]);
    assert_eq!(delays.iter().sum::<u16>(), 100);
}

#[test]
fn a_gif_has_a_colour_near_every_colour() {
    let folder = TempDir::new().unwrap();
    let frames = [noise(40, 30, 1), noise(40, 30, 2), noise(40, 30, 2)];
    let played = play(&make(folder.path(), Format::Gif, 50.0, &frames));
    // Levels of the cube lie 64 apart, so a channel is at most 32 off; rounding to 5 bits adds at most 4.
    for ((shown, delay), frame) in played.iter().zip(&frames) {
        assert_eq!(*delay, 2);
        let worst = shown.pixels.iter().zip(&frame.pixels).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst.unwrap() <= 64 && difference(&shown.pixels, &frame.pixels) < 20.0, "{worst:?}");
    }
}

#[test]
fn pictures_are_numbered_and_exact() {
    let folder = TempDir::new().unwrap();
    let frames = falling(3);
    let path = make(folder.path(), Format::Png, 50.0, &frames);
    assert_eq!(path, folder.path().join("episode-00_return_30"));
    assert_eq!(names(&path), ["000000.png", "000001.png", "000002.png"]);
    for (name, frame) in names(&path).iter().zip(&frames) {
        let file = io::BufReader::new(File::open(path.join(name)).unwrap());
        let mut reader = ::png::Decoder::new(file).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, frame.pixels);
    }
}

#[cfg(feature = "mp4")]
mod mp4 {
    use openh264::decoder::Decoder;
    use openh264::formats::YUVSource;

    use super::*;

    /// Content of the box at `path`; `skip` bytes stand before the boxes within the last but one.
    fn content<'a>(bytes: &'a [u8], path: &[(&str, usize)]) -> &'a [u8] {
        let Some(&(kind, skip)) = path.first() else { return bytes };
        let mut rest = bytes;
        while rest.len() >= 8 {
            let size = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            if &rest[4..8] == kind.as_bytes() {
                return content(&rest[8 + skip..size], &path[1..]);
            }
            rest = &rest[size..];
        }
        panic!("no box {kind}");
    }

    fn table(bytes: &[u8], kind: &str) -> Vec<u32> {
        let path = ["moov", "trak", "mdia", "minf", "stbl", kind].map(|kind| (kind, 0));
        content(bytes, &path).chunks_exact(4).map(|n| u32::from_be_bytes(n.try_into().unwrap())).collect()
    }

    /// Decodes all samples by the tables of the file.
    fn decode(bytes: &[u8]) -> Vec<Frame> {
        let start = [0, 0, 0, 1];
        let codec = [
            ("moov", 0),
            ("trak", 0),
            ("mdia", 0),
            ("minf", 0),
            ("stbl", 0),
            ("stsd", 8),
            ("avc1", 78),
            ("avcC", 0),
        ];
        let sets = content(bytes, &codec);
        let length = usize::from(u16::from_be_bytes([sets[6], sets[7]]));
        let mut stream = [&start, &sets[8..8 + length], &start, &sets[8 + length + 3..]].concat();
        let mut decoder = Decoder::new().unwrap();
        let mut at = table(bytes, "stco")[2] as usize;
        let mut frames = Vec::new();
        for &size in &table(bytes, "stsz")[3..] {
            let mut sample = &bytes[at..at + size as usize];
            at += size as usize;
            while let Some((length, rest)) = sample.split_first_chunk::<4>() {
                let (unit, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
                stream.extend([&start, unit].concat());
                sample = rest;
            }
            let picture = decoder.decode(&stream).unwrap().expect("a sample is a picture");
            let (width, height) = picture.dimensions();
            let mut pixels = vec![0; width * height * 3];
            picture.write_rgb8(&mut pixels);
            frames.push(Frame { width: width as u32, height: height as u32, pixels });
            stream.clear();
        }
        assert_eq!(
            at,
            bytes.windows(4).rposition(|w| w == b"moov").unwrap() - 4,
            "samples end where the index begins"
        );
        frames
    }

    #[test]
    fn an_mp4_shows_every_frame_for_its_time() {
        let folder = TempDir::new().unwrap();
        let frames = falling(130);
        let bytes = fs::read(make(folder.path(), Format::Mp4, 50.0, &frames)).unwrap();
        // 130 samples of 1000 units, 50 000 units a second: 2.6 s.
        assert_eq!(table(&bytes, "stts")[2..], [130, 1000]);
        let time = content(&bytes, &[("moov", 0), ("mvhd", 12)]);
        assert_eq!(time[..8], [50_000_u32.to_be_bytes(), 130_000_u32.to_be_bytes()].concat());
        // A whole picture every 2 s, which is 100 frames.
        assert_eq!(table(&bytes, "stss")[2..], [1, 101]);
        let decoded = decode(&bytes);
        assert_eq!(decoded.len(), 130);
        for (shown, frame) in decoded.iter().zip(&frames) {
            assert_eq!((shown.width, shown.height), (600, 400));
            assert!(difference(&shown.pixels, &frame.pixels) < 2.5);
        }
    }

    #[test]
    fn odd_sides_are_rounded_up() {
        let folder = TempDir::new().unwrap();
        let frames = [33, 35].map(|side| {
            let pixels = vec![200; (side * 17 * 3) as usize];
            Frame { width: side, height: 17, pixels }
        });
        for frame in frames {
            let decoded = decode(
                &fs::read(make(folder.path(), Format::Mp4, 30.0, std::slice::from_ref(&frame))).unwrap(),
            );
            assert_eq!((decoded[0].width, decoded[0].height), (frame.width + 1, 18));
            let worst = decoded[0].pixels.iter().map(|p| p.abs_diff(200)).max();
            // One level of rounding and of quantisation in each plane, which red, green and blue mix.
            assert!(worst <= Some(8), "{worst:?}");
        }
    }

    #[test]
    fn a_side_that_is_too_small_or_too_large_is_refused_with_advice() {
        let folder = TempDir::new().unwrap();
        for (width, height) in [(14, 100), (100, 1), (3842, 16), (2200, 2200)] {
            let error = Video::begin(folder.path(), "v", Format::Mp4, 30.0, &noise(width, height, 1)).err();
            let error = format!("{:#}", anyhow::Error::from(error.expect("refused")));
            assert!(error.contains(".v.mp4.partial"), "{error}");
            assert_eq!(error.matches("--format gif").count(), 1, "{error}");
        }
        assert!(names(folder.path()).is_empty());
    }
}

#[test]
fn the_same_frames_give_the_same_bytes() {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let frames = falling(8);
    for format in Format::ALL.iter().filter(|format| **format != Format::Png) {
        let [a, b] = folders.each_ref().map(|f| fs::read(make(f.path(), *format, 30.0, &frames)).unwrap());
        assert!(a == b, "{format:?}");
    }
}

#[test]
fn a_video_gets_its_name_when_it_is_complete() {
    for &format in Format::ALL {
        let folder = TempDir::new().unwrap();
        let within = folder.path().join("made/on the way");
        let frames = falling(2);
        let mut video = Video::begin(&within, "v", format, 30.0, &frames[0]).unwrap();
        assert_eq!(names(&within), [format!(".{}.partial", format.file_name("v"))]);
        video.push(&frames[1]).unwrap();
        drop(video);
        assert!(names(&within).is_empty(), "an unfinished {format:?} vanishes");

        // Leftovers of a run that was killed, and an older video, make way.
        for name in [format!(".{}.partial", format.file_name("v")), format.file_name("v_1")] {
            fs::create_dir_all(within.join(&name)).unwrap();
            fs::write(within.join(name).join("old"), "").unwrap();
        }
        let video = Video::begin(&within, "v", format, 30.0, &frames[0]).unwrap();
        let path = video.finish("v_1").unwrap();
        assert_eq!(names(&within), [format.file_name("v_1")]);
        assert!(!path.join("old").exists());
    }
}

#[test]
fn a_full_disk_is_an_error_that_names_the_file() {
    let folder = TempDir::new().unwrap();
    let frame = noise(200, 150, 1);
    let full = || BufWriter::new(File::create("/dev/full").unwrap());
    let mut encoders = vec![boxed(gif::Gif::begin(full(), 30.0, &frame).unwrap())];
    #[cfg(feature = "mp4")]
    encoders.push(boxed(super::mp4::Mp4::begin(full(), 30.0, &frame).unwrap()));
    for encoder in encoders {
        let mut video = Video {
            folder: folder.path().to_owned(),
            partial: folder.path().join(".v.partial"),
            format: Format::Gif,
            encoder,
            width: 200,
            height: 150,
            frames: 0,
        };
        let error = (1..10).find_map(|i| video.push(&noise(200, 150, i)).err());
        let error = error.unwrap_or_else(|| video.finish("v").unwrap_err());
        let VideoError::Write { path, source } = &error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull, "{error}");
        assert!(error.to_string().starts_with(&path.display().to_string()));
        assert!(names(folder.path()).is_empty());
    }
}

#[test]
fn a_folder_that_cannot_be_is_an_error_that_names_it() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for &format in Format::ALL {
        let within = folder.path().join("file/videos");
        let error = Video::begin(&within, "v", format, 30.0, &falling(1)[0]).err().expect("refused");
        assert!(error.to_string().contains("file/videos: "), "{error}");
    }
}

#[test]
fn frames_and_paces_that_make_no_video_are_refused() {
    let folder = TempDir::new().unwrap();
    let good = noise(20, 20, 1);
    for &format in Format::ALL {
        let begin = |fps, frame: &Frame| Video::begin(folder.path(), "v", format, fps, frame);
        for fps in [0.0, -30.0, f64::NAN, f64::INFINITY, 1e9, 1e-9] {
            assert!(matches!(begin(fps, &good).err(), Some(VideoError::Pace { .. })), "{fps}");
        }
        let short = Frame { pixels: vec![0; 7], ..good.clone() };
        let empty = Frame { width: 0, height: 0, pixels: Vec::new() };
        let huge = Frame { width: u32::MAX, height: u32::MAX, pixels: vec![0; 12] };
        for frame in [&short, &empty, &huge] {
            assert!(matches!(begin(30.0, frame).err(), Some(VideoError::Frame { number: 0, .. })));
        }
        let mut video = begin(30.0, &good).unwrap();
        let error = video.push(&noise(20, 22, 1)).unwrap_err().to_string();
        assert!(
            error.contains("frame 1") && error.contains("20 x 22") && error.contains("20 x 20"),
            "{error}"
        );
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn formats_have_names_and_others_are_refused_with_a_list() {
    for &format in Format::ALL {
        assert_eq!(format.name().parse::<Format>().unwrap(), format);
    }
    let error = "avi".parse::<Format>().unwrap_err().to_string();
    assert!(error.contains("\"avi\"") && error.ends_with("gif, png"), "{error}");
}

#[test]
fn words_can_be_read_on_any_picture() {
    for background in [0, 127, 255] {
        let mut frame = Frame { width: 600, height: 400, pixels: vec![background; 720_000] };
        overlay(&mut frame, &["1".to_owned()]);
        let dark = |x: u32, y: u32| {
            let at = ((y * 600 + x) * 3) as usize;
            frame.pixels[at..at + 3] == [0, 0, 0]
        };
        // The digit's column of dots, 2 pixels wide, from (3 + 2) · 2 and 3 · 2, seven dots long, on a white rim.
        assert!((6..20).all(|y| dark(10, y) && dark(11, y)));
        assert!((8..17).all(|y| !dark(12, y)) && !dark(10, 5) && !dark(10, 20));
        let white = frame.pixels[(12 + 15 * 600) * 3];
        assert_eq!(white, 255, "the rim on {background}");
    }
}

#[test]
fn words_that_do_not_fit_are_cut() {
    let mut frame = noise(20, 10, 3);
    overlay(&mut frame, &["episode 123456".to_owned(), "return -12.5".to_owned()]);
    assert_eq!(frame.pixels.len(), 600);
    assert!(frame.pixels.as_chunks::<3>().0.contains(&[0, 0, 0]));
}

#[test]
fn numbers_are_short() {
    let texts = [500.0, -1.0, 0.0, -123.456, 93.44, f64::NAN, f64::NEG_INFINITY].map(number);
    assert_eq!(texts, ["500", "-1", "0", "-123.5", "93.4", "nan", "-inf"]);
}
