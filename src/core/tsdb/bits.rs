//! Variable-length integers and columns of equally wide ones. Reading never panics: what isn't there is `None`.

/// Maps small magnitudes of either sign to small numbers.
pub(super) const fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

/// The reverse of [`zigzag`].
pub(super) const fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// How many bits hold `n`: 0 for 0, 64 at most.
pub(super) const fn width(n: u64) -> u32 {
    u64::BITS - n.leading_zeros()
}

/// How many bytes [`put_varint`] takes for `n`.
pub(super) const fn varint_len(n: u64) -> u32 {
    if n == 0 { 1 } else { width(n).div_ceil(7) }
}

/// Seven bits a byte, low ones first.
pub(super) fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends each number in `width` bits, low bits first, filled up with zeros to a whole byte.
pub(super) fn pack(out: &mut Vec<u8>, numbers: &[u64], width: u32) {
    let (mut word, mut held) = (0u128, 0);
    for &n in numbers {
        word |= u128::from(n) << held;
        held += width;
        if held >= 64 {
            out.extend_from_slice(&(word as u64).to_le_bytes());
            word >>= 64;
            held -= 64;
        }
    }
    out.extend_from_slice(&(word as u64).to_le_bytes()[..held.div_ceil(8) as usize]);
}

/// A place in bytes that are read from the front.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(super) fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes(8)?.try_into().ok()?))
    }

    /// `None` too for what is longer than 64 bits.
    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut n = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return None;
            }
            n |= part << shift;
            if byte & 0x80 == 0 {
                return Some(n);
            }
        }
        None
    }

    /// Reads as many numbers of `width` ≤ 64 bits as `numbers` has room for; at most 16.
    pub(super) fn unpack(&mut self, numbers: &mut [u64], width: u32) -> Option<()> {
        let width = width as usize;
        let packed = self.bytes((numbers.len() * width).div_ceil(8))?;
        if width > 56 {
            return unpack_wide(packed, numbers, width);
        }
        // Room behind the numbers, so that each can be read as one unaligned word.
        let mut room = [0; 16 * 56 / 8 + 8];
        room.get_mut(..packed.len())?.copy_from_slice(packed);
        let mask = (1u64 << width) - 1;
        for (i, n) in numbers.iter_mut().enumerate() {
            let bit = i * width;
            let word = room.get(bit / 8..bit / 8 + 8)?;
            *n = u64::from_le_bytes(word.try_into().ok()?) >> (bit % 8) & mask;
        }
        Some(())
    }
}

fn unpack_wide(packed: &[u8], numbers: &mut [u64], width: usize) -> Option<()> {
    let mask = u64::MAX >> (64 - width);
    let (mut word, mut held, mut bytes) = (0u128, 0, packed.iter());
    for n in numbers {
        while held < width {
            word |= u128::from(*bytes.next()?) << held;
            held += 8;
        }
        *n = word as u64 & mask;
        word >>= width;
        held -= width;
    }
    Some(())
}
