//! `/proc/net/tcp` and `/proc/net/tcp6`.

/// `TCP_LISTEN` of the kernel.
const LISTEN: &str = "0A";

/// The socket inode of a line whose socket listens on `port`.
pub(in crate::collect) fn listener(line: &str, port: u16) -> Option<u64> {
    let mut fields = line.split_ascii_whitespace();
    // `sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode`
    let (_, local) = fields.nth(1)?.rsplit_once(':')?;
    if u16::from_str_radix(local, 16) != Ok(port) || fields.nth(1)? != LISTEN {
        return None;
    }
    fields.nth(5)?.parse().ok().filter(|inode| *inode != 0)
}
