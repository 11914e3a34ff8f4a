//! A configuration of the docker client that lives for one push.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::image::{Command, RegistryCredentials};

/// The entries that the client looks for beside `config.json`: plug-ins, contexts and builders.
const KEPT: [&str; 3] = ["cli-plugins", "contexts", "buildx"];

/// The folder of the user's own configuration: `DOCKER_CONFIG`, else `~/.docker`.
pub(super) fn user_folder() -> Option<PathBuf> {
    let named = std::env::var_os("DOCKER_CONFIG").filter(|value| !value.is_empty());
    named
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")))
}

/// Makes a configuration for one command: the user's, with the registry's credentials in place of
/// the user's own for that host. Its folder is readable for this user alone, and is removed when
/// the value is dropped.
///
/// `docker login` would write the credentials into a file, which stays if this process is killed.
/// The client takes its configuration from a folder, and on Unix `config.json` in it is a link to
/// the client's standard input, which has no name. On other systems it is a file.
pub(super) fn configured(
    command: Command,
    user: Option<&Path>,
    credentials: &RegistryCredentials,
) -> io::Result<(TempDir, Command)> {
    let mut folder = tempfile::Builder::new();
    folder.prefix("bluegreen-");
    #[cfg(unix)]
    let private = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o700);
    #[cfg(unix)]
    folder.permissions(private);
    let folder = folder.tempdir()?;
    let theirs = user.and_then(|user| fs::read(user.join("config.json")).ok());
    let config = with_credentials(theirs.as_deref().unwrap_or_default(), credentials);
    let file = folder.path().join("config.json");
    #[cfg(unix)]
    let command = {
        std::os::unix::fs::symlink("/dev/fd/0", file)?;
        for name in KEPT {
            let Some(target) = user
                .map(|user| user.join(name))
                .filter(|path| path.exists())
            else {
                continue;
            };
            std::os::unix::fs::symlink(std::path::absolute(target)?, folder.path().join(name))?;
        }
        command.with_input(config.to_string())
    };
    #[cfg(not(unix))]
    fs::write(file, config.to_string())?;
    let command = command
        .env("DOCKER_CONFIG", folder.path())
        .with_scratch(folder.path());
    Ok((folder, command))
}

/// The forms of the credentials that must not be seen in the client's output: the password, and the
/// form in the configuration.
pub(super) fn secrets_of(credentials: &RegistryCredentials) -> [String; 2] {
    [credentials.password().to_owned(), encoded(credentials)]
}

fn encoded(credentials: &RegistryCredentials) -> String {
    BASE64_STANDARD.encode(format!("{}:{}", credentials.user, credentials.password()))
}

/// The configuration with these credentials, and without a credential store or helper, which would
/// be asked before them. A configuration that cannot be read counts as empty.
fn with_credentials(config: &[u8], credentials: &RegistryCredentials) -> Value {
    let mut config: Map<String, Value> = serde_json::from_slice(config).unwrap_or_default();
    config.remove("credsStore");
    if let Some(Value::Object(helpers)) = config.get_mut("credHelpers") {
        helpers.remove(&credentials.host);
    }
    let entry = json!({ "auth": encoded(credentials) });
    let auths = config.entry("auths").or_insert_with(|| json!({}));
    if !auths.is_object() {
        *auths = json!({});
    }
    auths[key_of(&credentials.host)] = entry;
    Value::Object(config)
}

/// The name under which the client looks up a host: Docker Hub's is not its host's.
fn key_of(host: &str) -> &str {
    match host {
        "docker.io" | "index.docker.io" => "https://index.docker.io/v1/",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn credentials(host: &str) -> RegistryCredentials {
        RegistryCredentials::new(host, "AWS", "pass")
    }

    #[test]
    fn the_users_configuration_is_kept_but_for_the_host() {
        let config = json!({
            "auths": {"r:5000": {"auth": "old"}, "other": {"auth": "x"}},
            "credHelpers": {"r:5000": "ecr-login", "other": "y"},
            "credsStore": "desktop",
            "currentContext": "remote",
        });
        let auth = json!({"auth": "QVdTOnBhc3M="});
        assert_eq!(
            with_credentials(config.to_string().as_bytes(), &credentials("r:5000")),
            json!({
                "auths": {"r:5000": auth, "other": {"auth": "x"}},
                "credHelpers": {"other": "y"},
                "currentContext": "remote",
            })
        );
        for unreadable in [&b"no json"[..], br#"{"auths": 1}"#] {
            assert_eq!(
                with_credentials(unreadable, &credentials("docker.io")),
                json!({"auths": {"https://index.docker.io/v1/": auth}})
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn p12_the_folder_is_private_holds_no_password_links_plug_ins_and_goes_away() {
        use std::os::unix::fs::PermissionsExt as _;
        let user = tempfile::tempdir().unwrap();
        fs::create_dir(user.path().join("cli-plugins")).unwrap();
        let command = Command::new("docker");
        let (folder, command) = configured(command, Some(user.path()), &credentials("r")).unwrap();
        let path = folder.path().to_owned();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        let link = fs::read_link(path.join("config.json")).unwrap();
        assert_eq!(link, Path::new("/dev/fd/0"));
        let input: Value = serde_json::from_slice(&command.input.unwrap()).unwrap();
        assert_eq!(input, with_credentials(b"", &credentials("r")));
        assert_eq!(command.scratch.as_deref(), Some(path.as_path()));
        assert!(path.join("cli-plugins").is_dir());
        assert!(!path.join("contexts").exists());
        drop(folder);
        assert!(!path.exists());
        assert!(user.path().join("cli-plugins").is_dir());
    }
}
