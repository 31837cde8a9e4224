//! Checksums made right again after a change: without them a reader sees through it at once.

/// Repairs the checksums of a PNG, or those of the stored members of a zip.
pub(crate) fn repair(bytes: &mut [u8]) {
    if bytes.starts_with(b"\x89PNG") {
        chunks(bytes);
    } else if bytes.starts_with(b"PK") {
        members(bytes);
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn chunks(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let end = at + 8 + length;
        let Some(chunk) = bytes.get(at + 4..end) else {
            return;
        };
        let sum = crc(chunk).to_be_bytes();
        let Some(place) = bytes.get_mut(end..end + 4) else {
            return;
        };
        place.copy_from_slice(&sum);
        at = end + 4;
    }
}

/// Goes through the table at the end, which says where the members are.
fn members(bytes: &mut [u8]) {
    let long = |bytes: &[u8], at: usize| -> Option<usize> {
        let long = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(long) as usize)
    };
    let short = |bytes: &[u8], at: usize| -> Option<usize> {
        let short = bytes.get(at..at + 2)?.try_into().ok()?;
        Some(usize::from(u16::from_le_bytes(short)))
    };
    let entries: Vec<usize> = (0..bytes.len())
        .filter(|&at| bytes[at..].starts_with(b"PK\x01\x02"))
        .collect();
    for entry in entries {
        let found = (|| {
            let (method, length) = (short(bytes, entry + 10)?, long(bytes, entry + 20)?);
            let local = long(bytes, entry + 42)?;
            let start = local + 30 + short(bytes, local + 26)? + short(bytes, local + 28)?;
            let member = bytes.get(start..start.checked_add(length)?)?;
            (method == 0).then(|| (local, crc(member)))
        })();
        if let Some((local, sum)) = found {
            for at in [local + 14, entry + 16] {
                bytes[at..at + 4].copy_from_slice(&sum.to_le_bytes());
            }
        }
    }
}
