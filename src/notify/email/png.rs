//! A picture as a PNG file: palette colours, one byte per pixel (W3C PNG, third edition).

use std::io::Write as _;

use flate2::{Compression, write::ZlibEncoder};

/// Encodes rows of palette indices. `pixels` has `width × height` bytes, the palette at most 256 colours, and each
/// pixel is an index of it.
pub(super) fn encode(width: usize, height: usize, palette: &[[u8; 3]], pixels: &[u8]) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut head = Vec::with_capacity(13);
    head.extend_from_slice(&(width as u32).to_be_bytes());
    head.extend_from_slice(&(height as u32).to_be_bytes());
    // Eight bits, palette, deflate, no interlacing.
    head.extend_from_slice(&[8, 3, 0, 0, 0]);
    chunk(&mut out, *b"IHDR", &head);
    chunk(&mut out, *b"PLTE", palette.as_flattened());
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    for row in pixels.chunks_exact(width.max(1)) {
        // Palette pictures are best unfiltered.
        packed.write_all(&[0]).and_then(|()| packed.write_all(row)).expect("writes to memory");
    }
    chunk(&mut out, *b"IDAT", &packed.finish().expect("writes to memory"));
    chunk(&mut out, *b"IEND", &[]);
    out
}

fn chunk(out: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    out.extend_from_slice(&(data.len() as u32).to_be_bytes());
    let start = out.len();
    out.extend_from_slice(&kind);
    out.extend_from_slice(data);
    let sum = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&sum.to_be_bytes());
}
