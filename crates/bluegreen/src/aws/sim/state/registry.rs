//! The registry: one repository, its tags, and what each digest holds.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

pub(in crate::aws::sim) const HOST: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
pub(in crate::aws::sim) const REPOSITORY: &str = "chatbot-fastapi";

/// The registry's state: one repository, its tags, and what each digest holds.
#[derive(Debug, Clone, Default)]
pub(in crate::aws::sim) struct Registry {
    pub(in crate::aws::sim) exists: bool,
    pub(in crate::aws::sim) is_immutable: bool,
    pub(in crate::aws::sim) tags: BTreeMap<String, String>,
    pub(in crate::aws::sim) manifests: BTreeMap<String, String>,
}

impl Registry {
    /// What a push does: the digest, or why it is refused.
    pub(in crate::aws::sim) fn push(&mut self, tag: &str, content: &str) -> Result<String, String> {
        let manifest = format!("{{\"schemaVersion\":2,\"content\":{content:?}}}");
        let digest = digest(&manifest);
        self.put(tag, &digest, manifest)?;
        Ok(digest)
    }

    pub(in crate::aws::sim) fn put(
        &mut self,
        tag: &str,
        digest: &str,
        manifest: String,
    ) -> Result<(), String> {
        let held = self.tags.get(tag);
        if self.is_immutable && held.is_some_and(|held| held != digest) {
            return Err(format!(
                "The image tag '{tag}' already exists and cannot be overwritten because the tag is immutable."
            ));
        }
        self.manifests.insert(digest.to_owned(), manifest);
        self.tags.insert(tag.to_owned(), digest.to_owned());
        Ok(())
    }
}

pub(in crate::aws::sim) fn digest(manifest: &str) -> String {
    use std::fmt::Write as _;
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(manifest.as_bytes()) {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
