//! The program that rides along.

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::CannotBundle;
use crate::apk::ObjectId;
use crate::snapshot::manifest::Tool;

/// A program's file, and what the manifest is to say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RidingProgram {
    /// The file.
    pub path: PathBuf,
    /// Which release it is, and what it runs on.
    pub about: String,
}

/// A program in memory: what is written is what was hashed.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) tool: Tool,
    pub(super) bytes: Vec<u8>,
}

impl RidingProgram {
    pub(super) fn load(&self) -> Result<Program, CannotBundle> {
        let bytes = std::fs::read(&self.path).map_err(|cause| CannotBundle::Tool { path: self.path.clone(), cause })?;
        let sha256 = ObjectId::new(Sha256::digest(&bytes).into());
        let tool = Tool { sha256, size: bytes.len() as u64, about: self.about.clone() };
        Ok(Program { tool, bytes })
    }
}
