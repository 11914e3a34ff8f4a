//! The registry: one repository, its tags, and what each digest holds.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

pub(in crate::aws::sim) const HOST: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
pub(in crate::aws::sim) const REPOSITORY: &str = "chatbot-fastapi";

/// The address of the blobs of images.
const BLOBS: &str = "https://blobs.simulated.example/";

/// The URL of a blob of an image.
pub(in crate::aws::sim) fn blob_url(digest: &str) -> String {
    format!("{BLOBS}{digest}?X-Amz-Signature=simulated")
}

/// The registry's state: one repository, its tags, and what each digest holds.
#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct Registry {
    pub(in crate::aws::sim) exists: bool,
    pub(in crate::aws::sim) is_immutable: bool,
    pub(in crate::aws::sim) tags: BTreeMap<String, String>,
    pub(in crate::aws::sim) manifests: BTreeMap<String, String>,
    /// The platform that its images are for.
    pub(in crate::aws::sim) platform: String,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            exists: true,
            is_immutable: false,
            tags: BTreeMap::new(),
            manifests: BTreeMap::new(),
            platform: "linux/amd64".to_owned(),
        }
    }
}

impl Registry {
    /// Pushes an image: returns its digest, or why the push is refused.
    pub(in crate::aws::sim) fn push(&mut self, tag: &str, content: &str) -> Result<String, String> {
        let config = digest(content);
        let manifest = format!(
            "{{\"schemaVersion\":2,\"config\":{{\"digest\":{config:?}}},\"content\":{content:?}}}"
        );
        let digest = digest(&manifest);
        self.put(tag, &digest, manifest)?;
        Ok(digest)
    }

    /// The content of a URL, if it is that of a blob: the configuration of an image.
    pub(in crate::aws::sim) fn blob(&self, url: &str) -> Option<String> {
        url.strip_prefix(BLOBS)?;
        let (os, architecture) = self.platform.split_once('/')?;
        Some(format!(
            "{{\"os\":{os:?},\"architecture\":{architecture:?}}}"
        ))
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
