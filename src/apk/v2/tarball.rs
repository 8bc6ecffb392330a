//! The part of tar that signature, control and index members use, read as strictly as the strictest client does.
//!
//! A library would accept more than apk (space-padded and base-256 numbers, v7 headers) and hide what decides trust (where
//! the zero blocks are), so these few rules are our own. Payload archives are never read here.

/// One file of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File<'a> {
    /// Its name, long-name records applied.
    pub name: String,
    /// Its content.
    pub content: &'a [u8],
}

/// A member's files, and whether its tar was ended by zero blocks.
#[derive(Debug, PartialEq, Eq)]
pub struct Tarball<'a> {
    /// Regular files in order; other kinds of entry are skipped, as apk does.
    pub files: Vec<File<'a>>,
    /// Whether the stream is cut or ended.
    pub end: End,
}

/// How a member's tar stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After the last padded file: what a signature or control member must do.
    Cut,
    /// With zero blocks: what an index or data member does.
    ZeroBlocks,
}

/// Why a tar stream was refused. Clients reject the same.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadTar {
    /// The stream stops inside a header or a file.
    #[error("the tar stream stops in the middle of an entry")]
    Truncated,
    /// The magic is not `ustar`.
    #[error("a tar header has no ustar magic")]
    Magic,
    /// No client checks the sum; a wrong one shows damage all the same.
    #[error("a tar header's checksum is wrong")]
    Checksum,
    /// A number with anything but octal digits and a NUL or space behind them.
    #[error("a tar header holds a number that is not plain octal")]
    Number,
    /// A name that is not UTF-8, or holds NUL or a newline.
    #[error("a tar header holds a name that is not plain text")]
    Name,
    /// A pax record whose length does not fit.
    #[error("a pax record is malformed")]
    Pax,
    /// Something other than zeros behind the end.
    #[error("data follows the end of the tar stream")]
    Trailing,
}

const BLOCK: usize = 512;

/// Reads a whole inflated member.
pub fn read(mut bytes: &[u8]) -> Result<Tarball<'_>, BadTar> {
    let mut files = Vec::new();
    let mut long_name: Option<String> = None;
    while !bytes.is_empty() {
        let (header, rest) = bytes.split_at_checked(BLOCK).ok_or(BadTar::Truncated)?;
        if header.iter().all(|byte| *byte == 0) {
            if rest.iter().any(|byte| *byte != 0) {
                return Err(BadTar::Trailing);
            }
            return Ok(Tarball { files, end: End::ZeroBlocks });
        }
        if &header[257..262] != b"ustar" {
            return Err(BadTar::Magic);
        }
        verify_checksum(header)?;
        let size = usize::try_from(octal(&header[124..136])?).map_err(|_| BadTar::Number)?;
        let padded = size.checked_next_multiple_of(BLOCK).ok_or(BadTar::Number)?;
        let content = rest.get(..size).ok_or(BadTar::Truncated)?;
        bytes = rest.get(padded..).ok_or(BadTar::Truncated)?;
        match header[156] {
            b'0' | b'7' => {
                let name = match long_name.take() {
                    Some(name) => name,
                    None => header_name(header)?,
                };
                files.push(File { name, content });
            }
            b'L' => long_name = Some(text(content)?),
            b'x' => {
                if let Some(path) = pax_path(content)? {
                    long_name = Some(path);
                }
            }
            b'g' => {}
            // Directories, links and what nobody knows (a NUL typeflag too): skipped, with the long name that was theirs.
            _ => long_name = None,
        }
    }
    Ok(Tarball { files, end: End::Cut })
}

/// A header for a regular file, as abuild writes it, with name, size, time and checksum in place.
///
/// # Panics
/// When `name` is longer than 100 bytes: ours are fixed or checked shorter before.
pub fn header(name: &str, size: u64, modified: u64) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[136..148].copy_from_slice(format!("{modified:011o}\0").as_bytes());
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[265..269].copy_from_slice(b"root");
    header[297..301].copy_from_slice(b"root");
    seal(&mut header);
    header
}

/// Puts the checksum in place: the last step after any change to a header.
pub(super) fn seal(header: &mut [u8; BLOCK]) {
    let sum = checksum(header);
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Appends a file with its padding. A name over 100 bytes gets a pax header, which every client reads.
pub fn append(out: &mut Vec<u8>, name: &str, content: &[u8], modified: u64) {
    if name.len() > 100 {
        let record = pax_record("path", name);
        let mut pax = header("pax", record.len() as u64, modified);
        pax[156] = b'x';
        seal(&mut pax);
        out.extend_from_slice(&pax);
        push_padded(out, record.as_bytes());
        out.extend_from_slice(&header(&name[..100], content.len() as u64, modified));
    } else {
        out.extend_from_slice(&header(name, content.len() as u64, modified));
    }
    push_padded(out, content);
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
pub fn pax_record(key: &str, value: &str) -> String {
    let body = key.len() + value.len() + 3;
    let mut length = body + 1;
    while length != body + length.to_string().len() {
        length = body + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

/// Appends bytes, and zeros up to a block's end.
pub(super) fn push_padded(out: &mut Vec<u8>, content: &[u8]) {
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

fn checksum(header: &[u8]) -> u64 {
    // The sum is taken with its own field read as spaces.
    let field = 148..156;
    header.iter().enumerate().map(|(at, byte)| if field.contains(&at) { 32 } else { u64::from(*byte) }).sum()
}

fn verify_checksum(header: &[u8]) -> Result<(), BadTar> {
    if octal(&header[148..156])? == checksum(header) { Ok(()) } else { Err(BadTar::Checksum) }
}

/// Octal digits, then only NUL or space. Left padding and base-256 are format errors to every client.
fn octal(field: &[u8]) -> Result<u64, BadTar> {
    let digits = field.iter().take_while(|byte| (b'0'..=b'7').contains(byte)).count();
    if field[digits..].iter().any(|byte| *byte != 0 && *byte != b' ') {
        return Err(BadTar::Number);
    }
    // At most 12 digits of 3 bits each: fits.
    Ok(field[..digits].iter().fold(0, |value, digit| value * 8 + u64::from(digit - b'0')))
}

fn header_name(header: &[u8]) -> Result<String, BadTar> {
    let name = text(&header[..100])?;
    let prefix = text(&header[345..500])?;
    // GNU headers keep times in the place of the prefix; only `ustar\0` has one.
    if prefix.is_empty() || header[262] != 0 { Ok(name) } else { Ok(format!("{prefix}/{name}")) }
}

fn text(field: &[u8]) -> Result<String, BadTar> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let text = std::str::from_utf8(&field[..end]).map_err(|_| BadTar::Name)?;
    if text.chars().any(char::is_control) { Err(BadTar::Name) } else { Ok(text.to_owned()) }
}

fn pax_path(mut records: &[u8]) -> Result<Option<String>, BadTar> {
    let mut path = None;
    while !records.is_empty() {
        let space = records.iter().position(|byte| *byte == b' ').ok_or(BadTar::Pax)?;
        let length: usize =
            std::str::from_utf8(&records[..space]).ok().and_then(|digits| digits.parse().ok()).ok_or(BadTar::Pax)?;
        let record = records.get(space + 1..length).ok_or(BadTar::Pax)?;
        let record = record.strip_suffix(b"\n").ok_or(BadTar::Pax)?;
        if let Some(value) = record.strip_prefix(b"path=") {
            path = Some(text(value)?);
        }
        records = &records[length..];
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        append(&mut out, name, content, 1_700_000_000);
        out
    }

    #[test]
    fn what_is_written_reads_back() {
        let long = "x".repeat(150);
        let mut bytes = one("a", b"hi");
        append(&mut bytes, &long, b"", 0);
        let tar = read(&bytes).unwrap();
        assert_eq!(tar.end, End::Cut);
        assert_eq!(tar.files[0], File { name: "a".into(), content: b"hi" });
        assert_eq!(tar.files[1], File { name: long, content: b"" });
        bytes.extend([0; 1024]);
        assert_eq!(read(&bytes).unwrap().end, End::ZeroBlocks);
    }

    #[test]
    fn pax_length_counts_itself() {
        let record = pax_record("APK-TOOLS.checksum.SHA1", "bdf9356a9516238c8b2468613517749098b17ef6");
        assert_eq!(record, "68 APK-TOOLS.checksum.SHA1=bdf9356a9516238c8b2468613517749098b17ef6\n");
        for length in 1..300 {
            let record = pax_record("k", &"v".repeat(length));
            assert_eq!(record.split(' ').next().unwrap(), record.len().to_string());
        }
    }

    #[test]
    fn damaged_streams_are_refused() {
        let good = one("a", b"hi");
        let with = |at: usize, bytes: &[u8], resum: bool| {
            let mut bad = good.clone();
            bad[at..at + bytes.len()].copy_from_slice(bytes);
            if resum {
                let sum = checksum(&bad[..BLOCK]);
                bad[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
            bad
        };
        assert_eq!(read(&good[..600]).unwrap_err(), BadTar::Truncated);
        assert_eq!(read(&good[..100]).unwrap_err(), BadTar::Truncated);
        assert_eq!(read(&with(257, b"wrong", true)).unwrap_err(), BadTar::Magic);
        assert_eq!(read(&with(0, b"b", false)).unwrap_err(), BadTar::Checksum);
        assert_eq!(read(&with(124, b"          2 ", true)).unwrap_err(), BadTar::Number);
        assert_eq!(read(&with(124, b"\x80\0\0\0\0\0\0\0\0\0\0\x02", true)).unwrap_err(), BadTar::Number);
        assert_eq!(read(&with(124, b"77777777777\0", true)).unwrap_err(), BadTar::Truncated);
        assert_eq!(read(&with(0, b"\n", true)).unwrap_err(), BadTar::Name);
        // A NUL typeflag is an entry that clients skip.
        assert_eq!(read(&with(156, b"\0", true)).unwrap().files, []);
        let mut trailing = good.clone();
        trailing.extend([0; 512]);
        trailing.extend(&good);
        assert_eq!(read(&trailing).unwrap_err(), BadTar::Trailing);
    }
}
