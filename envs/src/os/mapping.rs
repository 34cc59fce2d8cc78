//! A piece of a file that another program maps, too.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use bytemuck::Pod;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// Memory shared with a program that keeps to an order of its own with us: it does not write while we read.
///
/// Numbers are copied in and out; nobody gets a reference.
pub struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

impl Mapping {
    /// Maps `len` bytes of `file` from `offset`, a multiple of the page size. The file is never made shorter.
    pub fn new(file: &File, offset: u64, len: usize) -> io::Result<Self> {
        let length = NonZeroUsize::new(len).ok_or(io::ErrorKind::InvalidInput)?;
        let end = offset.checked_add(len as u64);
        // Beyond the end of the file a read would end the process.
        if end.is_none_or(|end| end > file.metadata().map_or(0, |file| file.len())) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the system chooses a place where nothing lies.
        let base = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, file, offset as libc::off_t)? };
        Ok(Self { base: base.cast(), len })
    }

    /// Copies what begins at byte `at`.
    ///
    /// # Panics
    /// When there is less of it.
    #[inline]
    pub fn read<T: Pod>(&self, at: usize, into: &mut [T]) {
        self.check(at, size_of_val(into));
        // SAFETY: the bytes lie within the mapping, any are values of `T`, and `into` is memory of another place.
        unsafe {
            let from = self.base.as_ptr().add(at);
            from.copy_to_nonoverlapping(into.as_mut_ptr().cast(), size_of_val(into));
        }
    }

    /// The number at byte `at`.
    ///
    /// # Panics
    /// When it does not lie within the mapping.
    #[inline]
    pub fn read_one<T: Pod>(&self, at: usize) -> T {
        let mut number = [T::zeroed()];
        self.read(at, &mut number);
        number[0]
    }

    /// Copies `from` to byte `at` and on.
    ///
    /// # Panics
    /// When there is less room.
    #[inline]
    pub fn write<T: Pod>(&self, at: usize, from: &[T]) {
        self.check(at, size_of_val(from));
        // SAFETY: the bytes lie within the mapping, and `from` is memory of another place.
        unsafe {
            let to = self.base.as_ptr().add(at);
            to.copy_from_nonoverlapping(from.as_ptr().cast(), size_of_val(from));
        }
    }

    fn check(&self, at: usize, bytes: usize) {
        let end = at.checked_add(bytes);
        assert!(end.is_some_and(|end| end <= self.len), "{bytes} bytes at {at} of {}", self.len);
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this is the mapping of `new`, and nobody has a reference into it.
        let _ = unsafe { munmap(self.base.cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn two_mappings_of_one_piece_show_the_same_numbers() {
        let file = super::super::memory_file().unwrap();
        file.set_len(8192).unwrap();
        let [one, other] = [0, 1].map(|_| Mapping::new(&file, 4096, 4096).unwrap());
        one.write(4088, &[1_i64]);
        assert_eq!(other.read_one::<i64>(4088), 1);
        // At any byte, whatever the alignment.
        one.write(3, &[0.5_f32, -2.0]);
        let mut row = [0.0_f32; 2];
        other.read(3, &mut row);
        assert_eq!(row, [0.5, -2.0]);
        assert!(Mapping::new(&file, 4096, 4097).is_err(), "the file ends there");
        assert!(Mapping::new(&file, 0, 0).is_err());
    }

    #[test]
    #[should_panic(expected = "8 bytes at 4089 of 4096")]
    fn nothing_is_written_beyond_the_end() {
        let file = super::super::memory_file().unwrap();
        file.set_len(4096).unwrap();
        Mapping::new(&file, 0, 4096).unwrap().write(4089, &[1_i64]);
    }
}
