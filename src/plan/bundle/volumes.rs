//! In which volume each object goes.

use crate::snapshot::manifest::SUFFIX;

/// Most volumes of a bundle: nobody changes a disk more often.
pub const MOST_VOLUMES: u32 = 999;

/// Bytes for objects in the volumes of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// In the first volume, which may hold the program as well.
    pub first: u64,
    /// In each other one.
    pub others: u64,
}

/// Why objects are in no volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoesNotFit {
    /// The one at this place is larger than any volume.
    Object(usize),
    /// All together take more than [`MOST_VOLUMES`].
    All,
}

/// The volume of each object, counted from 1: the first that has room for it, in the order of the objects. `lengths` are their
/// bytes. There is at least one volume.
pub fn in_volumes(lengths: &[u64], room: Room) -> Result<(Vec<u32>, u32), DoesNotFit> {
    let mut left = vec![room.first];
    let mut volumes = Vec::with_capacity(lengths.len());
    for (at, length) in lengths.iter().enumerate() {
        let found = left.iter().position(|left| length <= left);
        let volume = match found {
            Some(volume) => volume,
            None if *length > room.others => return Err(DoesNotFit::Object(at)),
            None if left.len() == MOST_VOLUMES as usize => return Err(DoesNotFit::All),
            None => {
                left.push(room.others);
                left.len() - 1
            }
        };
        left[volume] -= length;
        volumes.push(u32::try_from(volume + 1).expect("there are at most MOST_VOLUMES"));
    }
    Ok((volumes, u32::try_from(left.len()).expect("there are at most MOST_VOLUMES")))
}

/// The file name of volume `number` of a bundle that is `name`: itself where it is the only one, else `x.2.bundle` for
/// `x.bundle`.
pub fn volume_name(name: &str, number: u32, of: u32) -> String {
    match of {
        0 | 1 => name.to_owned(),
        _ => format!("{}.{number}{SUFFIX}", name.strip_suffix(SUFFIX).unwrap_or(name)),
    }
}
