//! A configuration of the docker client that lives for one push.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use tempfile::TempDir;

/// What the client looks for beside `config.json`: plug-ins, contexts and builders.
const KEPT: [&str; 3] = ["cli-plugins", "contexts", "buildx"];

/// Where the user's own configuration is: `DOCKER_CONFIG`, else `~/.docker`.
pub(super) fn user_folder() -> Option<PathBuf> {
    let named = std::env::var_os("DOCKER_CONFIG").filter(|value| !value.is_empty());
    named
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")))
}

/// Makes a folder that only this user may read, with the user's configuration without whatever
/// would store or fetch the credentials of `host` elsewhere. It goes when it is dropped.
pub(super) fn temporary(user: Option<&Path>, host: &str) -> io::Result<TempDir> {
    let mut folder = tempfile::Builder::new();
    folder.prefix("bluegreen-");
    #[cfg(unix)]
    let private = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o700);
    #[cfg(unix)]
    folder.permissions(private);
    let folder = folder.tempdir()?;
    let theirs = user.and_then(|user| fs::read(user.join("config.json")).ok());
    let config = without_host(theirs.as_deref().unwrap_or_default(), host);
    fs::write(folder.path().join("config.json"), config.to_string())?;
    #[cfg(unix)]
    for name in KEPT {
        let Some(target) = user
            .map(|user| user.join(name))
            .filter(|path| path.exists())
        else {
            continue;
        };
        std::os::unix::fs::symlink(std::path::absolute(target)?, folder.path().join(name))?;
    }
    Ok(folder)
}

/// The configuration without the credentials of `host` and without a credential store, which
/// would keep the password beyond the push. What cannot be read counts as empty.
fn without_host(config: &[u8], host: &str) -> Value {
    let mut config: Map<String, Value> = serde_json::from_slice(config).unwrap_or_default();
    config.remove("credsStore");
    for section in ["auths", "credHelpers"] {
        if let Some(Value::Object(hosts)) = config.get_mut(section) {
            hosts.remove(host);
        }
    }
    Value::Object(config)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_users_configuration_is_kept_without_the_host() {
        let config = json!({
            "auths": {"r:5000": {"auth": "old"}, "other": {"auth": "x"}},
            "credHelpers": {"r:5000": "ecr-login", "other": "y"},
            "credsStore": "desktop",
            "currentContext": "remote",
        });
        assert_eq!(
            without_host(config.to_string().as_bytes(), "r:5000"),
            json!({
                "auths": {"other": {"auth": "x"}},
                "credHelpers": {"other": "y"},
                "currentContext": "remote",
            })
        );
        assert_eq!(without_host(b"no json", "r:5000"), json!({}));
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_is_private_links_plug_ins_and_goes_away() {
        use std::os::unix::fs::PermissionsExt as _;
        let user = tempfile::tempdir().unwrap();
        fs::create_dir(user.path().join("cli-plugins")).unwrap();
        let folder = temporary(Some(user.path()), "r").unwrap();
        let path = folder.path().to_owned();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert!(path.join("cli-plugins").is_dir());
        assert!(!path.join("contexts").exists());
        drop(folder);
        assert!(!path.exists());
        assert!(user.path().join("cli-plugins").is_dir());
    }
}
